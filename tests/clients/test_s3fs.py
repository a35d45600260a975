"""fsspec's s3fs on aiobotocore."""

import pytest
import s3fs

from conftest import SIZES, payload, sha
from keys import FILE_KEYS


@pytest.fixture
def s3(endpoint):
    return s3fs.S3FileSystem(
        key=endpoint.access_key, secret=endpoint.secret_key, endpoint_url=endpoint.url, skip_instance_cache=True,
        client_kwargs={"region_name": endpoint.region, "verify": endpoint.certificate},
        config_kwargs={"s3": {"addressing_style": "path"}})


@pytest.mark.parametrize("size", SIZES)
def test_write_and_read(s3, bucket, size):
    data = payload(size)
    with s3.open(f"{bucket}/k", "wb") as file:
        file.write(data)
    assert s3.info(f"{bucket}/k")["size"] == size
    assert sha(s3.cat_file(f"{bucket}/k")) == sha(data)


def test_parts_and_random_reads(s3, bucket):
    data = payload((16 << 20) + 3)
    with s3.open(f"{bucket}/k", "wb", block_size=5 << 20) as file:
        for first in range(0, len(data), 1_000_003):
            file.write(data[first:first + 1_000_003])
    with s3.open(f"{bucket}/k", "rb", block_size=1 << 16) as file:
        for offset in (0, 5 << 20, (10 << 20) - 7, len(data) - 100):
            file.seek(offset)
            assert file.read(5000) == data[offset:offset + 5000]
    assert sha(s3.cat_file(f"{bucket}/k")) == sha(data)


def test_tree(s3, bucket):
    s3.pipe({f"{bucket}/d/{key}": payload(200, i) for i, key in enumerate(FILE_KEYS)})
    assert sorted(s3.find(f"{bucket}/d")) == sorted(f"{bucket}/d/{key}" for key in FILE_KEYS)
    for i, key in enumerate(FILE_KEYS):
        assert s3.cat_file(f"{bucket}/d/{key}") == payload(200, i), key
    got = s3.cat(f"{bucket}/d", recursive=True, on_error="omit")  # it asks for "directories" too
    assert {path: sha(data) for path, data in got.items()} == {
        f"{bucket}/d/{key}": sha(payload(200, i)) for i, key in enumerate(FILE_KEYS)}
    s3.copy(f"{bucket}/d/100%", f"{bucket}/copy")
    s3.mv(f"{bucket}/copy", f"{bucket}/moved")
    assert s3.cat_file(f"{bucket}/moved") == payload(200, 0) and not s3.exists(f"{bucket}/copy")
    assert s3.isdir(f"{bucket}/d") and s3.ls(f"{bucket}/d/日本語") == [f"{bucket}/d/日本語/キー"]
    s3.put_tags(f"{bucket}/moved", {"class": "cat"})
    assert s3.get_tags(f"{bucket}/moved") == {"class": "cat"}
    s3.rm(f"{bucket}/d", recursive=True)
    assert s3.find(bucket) == [f"{bucket}/moved"]


def test_buckets(s3):
    s3.mkdir("bucket-of-s3fs")
    assert s3.exists("bucket-of-s3fs")
    s3.rmdir("bucket-of-s3fs")
    s3.invalidate_cache()
    assert "bucket-of-s3fs" not in s3.ls("", refresh=True)
