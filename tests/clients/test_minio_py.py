"""minio-py: signed plain bodies over HTTP, unsigned ones over TLS."""

import io
import ssl
import urllib.request

import minio
import pytest
import urllib3
from minio.commonconfig import CopySource, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from conftest import SIZES, payload, sha
from keys import FILE_KEYS


@pytest.fixture
def client(endpoint):
    return minio.Minio(endpoint=endpoint.host, access_key=endpoint.access_key, secret_key=endpoint.secret_key,
                       secure=endpoint.secure,
                       http_client=urllib3.PoolManager(ca_certs=endpoint.certificate, retries=False))


def read(client, bucket, key, **more):
    response = client.get_object(bucket_name=bucket, object_name=key, **more)
    try:
        return response.read()
    finally:
        response.close()
        response.release_conn()


def put(client, bucket, key, data, **more):
    return client.put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(data), length=len(data), **more)


@pytest.mark.parametrize("size", SIZES)
def test_put_and_get(client, bucket, size):
    put(client, bucket, "k", payload(size), metadata={"who": "me"})
    stat = client.stat_object(bucket_name=bucket, object_name="k")
    assert stat.size == size and stat.metadata["x-amz-meta-who"] == "me"
    assert sha(read(client, bucket, "k")) == sha(payload(size))


def test_stream_of_unknown_length(client, bucket):
    data = payload((11 << 20) + 5)
    client.put_object(bucket_name=bucket, object_name="s", data=io.BytesIO(data), length=-1, part_size=5 << 20)
    assert sha(read(client, bucket, "s")) == sha(data)
    assert read(client, bucket, "s", offset=(5 << 20) - 2, length=4) == data[(5 << 20) - 2:(5 << 20) + 2]


def test_keys_and_listing(client, bucket):
    for i, key in enumerate(FILE_KEYS):
        put(client, bucket, key, payload(64, i))
    for i, key in enumerate(FILE_KEYS):
        assert read(client, bucket, key) == payload(64, i), key
    found = [o.object_name for o in client.list_objects(bucket_name=bucket, recursive=True)]
    assert found == sorted(FILE_KEYS, key=lambda k: k.encode())
    top = [o.object_name for o in client.list_objects(bucket_name=bucket) if o.is_dir]
    assert top == ["a b/", "emoji-😀/", "ünï/", "日本語/"]
    assert list(client.remove_objects(bucket_name=bucket, delete_object_list=[DeleteObject(k) for k in FILE_KEYS])) == []
    assert list(client.list_objects(bucket_name=bucket, recursive=True)) == []


def test_copy_and_tags(client, bucket):
    put(client, bucket, "k", payload(4096))
    tags = Tags.new_object_tags()
    tags["class"] = "cat"
    client.set_object_tags(bucket_name=bucket, object_name="k", tags=tags)
    assert client.get_object_tags(bucket_name=bucket, object_name="k") == {"class": "cat"}
    client.copy_object(bucket_name=bucket, object_name="c d", source=CopySource(bucket_name=bucket, object_name="k"))
    assert read(client, bucket, "c d") == payload(4096)
    client.remove_object(bucket_name=bucket, object_name="k")
    with pytest.raises(S3Error) as raised:
        client.stat_object(bucket_name=bucket, object_name="k")
    assert raised.value.code == "NoSuchKey"


def test_presigned(endpoint, client, bucket):
    put(client, bucket, "p/ü", payload(50_000))
    context = ssl.create_default_context(cafile=endpoint.certificate)
    url = client.presigned_get_object(bucket_name=bucket, object_name="p/ü")
    with urllib.request.urlopen(url, context=context) as answer:
        assert sha(answer.read()) == sha(payload(50_000))
