"""boto3: encryption, forms, CORS, lifecycle and the rest of what buckets can be told, against a server that is told the keys."""

import base64
import hashlib
import io
import time
import urllib.error
import urllib.request

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

import granary_server
from conftest import payload, sha

KEY = hashlib.sha256(b"a key of a client").digest()
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
SOURCE = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}
KINDS = {
    "none": ({}, {}, {}),
    "s3": ({"ServerSideEncryption": "AES256"}, {}, {}),
    "kms": ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k1"}, {}, {}),
    "double": ({"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": "k1"}, {}, {}),
    "customer": (CUSTOMER, CUSTOMER, SOURCE),
}


@pytest.fixture(scope="module")
def server(pytestconfig):
    folder = granary_server.work_folder()
    keys = {"k1": base64.b64encode(hashlib.sha256(b"k1").digest()).decode()}
    settings = {"encryption": {"keys": keys}, "lifecycle": {"day_seconds": 2, "scan_seconds": 1},
                "website_domains": ["web.localhost"], "storage_classes": ["COLD"]}
    store = granary_server.GranaryServer(pytestconfig.getoption("--granary"), folder, settings=settings)
    store.start()
    yield store
    store.stop()


@pytest.fixture
def s3(server):
    access, secret = granary_server.MAIN
    return boto3.client("s3", endpoint_url=f"https://localhost:{server.tls_port}", region_name=granary_server.REGION,
                        aws_access_key_id=access, aws_secret_access_key=secret, verify=str(server.certificate),
                        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"))


@pytest.fixture
def made(s3):
    name = f"conf-{time.time_ns()}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.mark.parametrize("kind", KINDS)
def test_encryption_of_every_kind(s3, made, kind):
    write, read, _ = KINDS[kind]
    data = payload(9 << 20)
    s3.put_object(Bucket=made, Key="k", Body=data, **write)
    got = s3.get_object(Bucket=made, Key="k", **read)
    assert sha(got["Body"].read()) == sha(data)
    assert got.get("ServerSideEncryption") == write.get("ServerSideEncryption")
    assert got.get("SSECustomerAlgorithm") == write.get("SSECustomerAlgorithm")
    part = s3.get_object(Bucket=made, Key="k", Range="bytes=70000-5000000", **read)
    assert sha(part["Body"].read()) == sha(data[70000:5000001])
    upload = s3.create_multipart_upload(Bucket=made, Key="m", **write)["UploadId"]
    parts = [s3.upload_part(Bucket=made, Key="m", UploadId=upload, PartNumber=n + 1, Body=piece, **read)["ETag"]
             for n, piece in enumerate((data[:6 << 20], data[6 << 20:]))]
    s3.complete_multipart_upload(Bucket=made, Key="m", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": n + 1, "ETag": etag} for n, etag in enumerate(parts)]})
    assert sha(s3.get_object(Bucket=made, Key="m", **read)["Body"].read()) == sha(data)


def test_copies_between_all_kinds(s3, made):
    data = payload(1 << 20)
    for write, _, source in KINDS.values():
        s3.put_object(Bucket=made, Key="from", Body=data, **write)
        for to, read, _ in KINDS.values():
            s3.copy_object(Bucket=made, Key="to", CopySource={"Bucket": made, "Key": "from"}, **to, **source)
            assert sha(s3.get_object(Bucket=made, Key="to", **read)["Body"].read()) == sha(data)


def test_default_encryption_survives_a_restart(s3, server, made):
    s3.put_bucket_encryption(Bucket=made, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    s3.put_object(Bucket=made, Key="k", Body=b"secret")
    server.stop()
    server.start()
    got = s3.get_object(Bucket=made, Key="k")
    assert got["Body"].read() == b"secret" and got["ServerSideEncryption"] == "AES256"
    rules = s3.get_bucket_encryption(Bucket=made)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_keys_that_are_wrong(s3, made):
    s3.put_object(Bucket=made, Key="k", Body=b"secret", **CUSTOMER)
    other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": hashlib.sha256(b"other").digest()}
    for keys in ({}, other):
        with pytest.raises(ClientError) as raised:
            s3.get_object(Bucket=made, Key="k", **keys)
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=made, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="unknown")
    assert raised.value.response["Error"]["Code"] == "KMS.NotFoundException"


def post_form(server, made, fields, data):
    body = b""
    for name, value in fields.items():
        body += f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    body += b'--XX\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\n\r\n' + data + b"\r\n--XX--\r\n"
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/{made}", data=body, method="POST",
                                     headers={"Content-Type": "multipart/form-data; boundary=XX"})
    with urllib.request.urlopen(request) as answer:
        return answer.status


def test_form_of_boto3(s3, server, made):
    data = payload(3 << 20)
    form = s3.generate_presigned_post(made, "up/${filename}", Fields={"x-amz-meta-a": "1"},
                                      Conditions=[{"x-amz-meta-a": "1"}, ["content-length-range", 1, 10 << 20]])
    assert post_form(server, made, form["fields"], data) == 204
    got = s3.get_object(Bucket=made, Key="up/f.bin")
    assert sha(got["Body"].read()) == sha(data) and got["Metadata"] == {"a": "1"}
    form["fields"]["x-amz-meta-a"] = "2"
    with pytest.raises(urllib.error.HTTPError) as raised:
        post_form(server, made, form["fields"], data)
    assert raised.value.code == 403


def test_cors_tags_and_website(s3, server, made):
    s3.put_bucket_cors(Bucket=made, CORSConfiguration={
        "CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["http://*.test"], "MaxAgeSeconds": 5}]})
    assert s3.get_bucket_cors(Bucket=made)["CORSRules"][0]["MaxAgeSeconds"] == 5
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/{made}/k", method="OPTIONS",
                                     headers={"Origin": "http://a.test", "Access-Control-Request-Method": "GET"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "http://a.test"
    s3.put_bucket_tagging(Bucket=made, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert s3.get_bucket_tagging(Bucket=made)["TagSet"] == [{"Key": "a", "Value": "1"}]
    s3.put_bucket_website(Bucket=made, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    assert s3.get_bucket_website(Bucket=made)["IndexDocument"]["Suffix"] == "index.html"


def test_lifecycle_expires(s3, made):
    s3.put_bucket_lifecycle_configuration(Bucket=made, LifecycleConfiguration={"Rules": [
        {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}]})
    assert "r" in s3.put_object(Bucket=made, Key="tmp/a", Body=b"x")["Expiration"]
    s3.put_object(Bucket=made, Key="kept", Body=b"x")
    deadline = time.monotonic() + 30
    while s3.list_objects_v2(Bucket=made)["KeyCount"] > 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=made)["Contents"]] == ["kept"]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_of_encrypted_parts(s3, made, algorithm):
    data = payload(11 << 20)
    s3.upload_fileobj(io.BytesIO(data), made, "k", Config=TransferConfig(multipart_threshold=5 << 20,
                                                                                      multipart_chunksize=5 << 20),
                      ExtraArgs={"ChecksumAlgorithm": algorithm, "ServerSideEncryption": "AES256"})
    got = s3.get_object(Bucket=made, Key="k", ChecksumMode="ENABLED")
    assert sha(got["Body"].read()) == sha(data)


def test_transitions_change_the_class(s3, made):
    s3.put_object(Bucket=made, Key="a/old", Body=b"x")
    s3.put_object(Bucket=made, Key="b/other", Body=b"x")
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Transitions": [{"Days": 1, "StorageClass": "COLD"}]}
    s3.put_bucket_lifecycle_configuration(Bucket=made, LifecycleConfiguration={"Rules": [rule]})
    deadline = time.monotonic() + 30
    while s3.head_object(Bucket=made, Key="a/old").get("StorageClass") != "COLD":
        assert time.monotonic() < deadline, "the object stays in its class"
        time.sleep(0.1)  # between two looks at a condition that has a deadline
    classes = {o["Key"]: o["StorageClass"] for o in s3.list_objects_v2(Bucket=made)["Contents"]}
    assert classes == {"a/old": "COLD", "b/other": "STANDARD"}
    assert s3.get_object(Bucket=made, Key="a/old")["Body"].read() == b"x"
    with pytest.raises(ClientError) as raised:
        rule["Transitions"][0]["StorageClass"] = "GLACIER"
        s3.put_bucket_lifecycle_configuration(Bucket=made, LifecycleConfiguration={"Rules": [rule]})
    assert raised.value.response["Error"]["Code"] == "InvalidStorageClass"


def test_appends_to_what_is_encrypted(s3, made):
    for write, read, _ in KINDS.values():
        if "SSECustomerKey" in write:
            continue
        s3.put_object(Bucket=made, Key="log", Body=b"one", **write)
        s3.put_object(Bucket=made, Key="log", Body=b" and two", WriteOffsetBytes=3)
        got = s3.get_object(Bucket=made, Key="log", **read)
        assert got["Body"].read() == b"one and two"
        assert got.get("ServerSideEncryption") == write.get("ServerSideEncryption")
