"""boto3, in the versions of both environments: of today, and 1.35 from before default checksums."""

import base64
import binascii
import concurrent.futures
import hashlib
import io
import json
import urllib.request

import boto3
import botocore
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

import granary_server
from conftest import LARGE, SIZES, payload, sha
from keys import AWKWARD_KEYS

MODERN = tuple(int(n) for n in botocore.__version__.split(".")[:2]) >= (1, 36)
PART = 5 << 20


@pytest.fixture
def s3(endpoint):
    return make_client(endpoint)


def make_client(endpoint, **keys):
    return boto3.client(
        "s3", endpoint_url=endpoint.url, region_name=endpoint.region,
        aws_access_key_id=keys.get("access", endpoint.access_key),
        aws_secret_access_key=keys.get("secret", endpoint.secret_key), verify=endpoint.certificate,
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 1},
                      max_pool_connections=32))


def read(s3, bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def code_of(raised):
    return raised.value.response["Error"]["Code"], raised.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("size", SIZES)
def test_put_and_get(s3, bucket, size):
    data = payload(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data)
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["ContentLength"] == size and got["ETag"] == put["ETag"]
    assert sha(got["Body"].read()) == sha(data)
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == size


@pytest.mark.parametrize("size", [(8 << 20) + 1, LARGE])
def test_transfer_of_a_file(s3, bucket, size):
    data = payload(size)
    s3.upload_fileobj(io.BytesIO(data), bucket, "big", Config=TransferConfig(multipart_threshold=8 << 20))
    parts = -(-size // (8 << 20))
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith(f'-{parts}"')
    back = io.BytesIO()
    s3.download_fileobj(bucket, "big", back)
    assert sha(back.getvalue()) == sha(data)


def test_awkward_keys(s3, bucket):
    for i, key in enumerate(AWKWARD_KEYS):
        s3.put_object(Bucket=bucket, Key=key, Body=payload(100, i))
    for i, key in enumerate(AWKWARD_KEYS):
        assert read(s3, bucket, key) == payload(100, i), key
    listed = [entry["Key"] for page in s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 5}) for entry in page["Contents"]]
    assert listed == sorted(AWKWARD_KEYS, key=lambda k: k.encode())
    listed = [entry["Key"] for page in s3.get_paginator("list_objects").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 7}) for entry in page["Contents"]]
    assert listed == sorted(AWKWARD_KEYS, key=lambda k: k.encode())
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in AWKWARD_KEYS]})
    assert sorted(d["Key"] for d in deleted["Deleted"]) == sorted(AWKWARD_KEYS) and "Errors" not in deleted
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_listing_with_a_delimiter(s3, bucket):
    keys = ["a", "a/", "a/b", "a/c/d", "a-b", "a.b", "b/x", "b/y", "foo+1/x", "foo/x"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    top = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [c["Key"] for c in top["Contents"]] == ["a", "a-b", "a.b"]
    assert [p["Prefix"] for p in top["CommonPrefixes"]] == ["a/", "b/", "foo+1/", "foo/"]
    assert top["KeyCount"] == 7
    below = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="a/")
    assert [c["Key"] for c in below["Contents"]] == ["a/", "a/b"]
    assert [p["Prefix"] for p in below["CommonPrefixes"]] == ["a/c/"]
    pages = list(s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}))
    assert sum(p["KeyCount"] for p in pages) == 7 and all(p["KeyCount"] <= 1 for p in pages)
    assert [c["Key"] for c in s3.list_objects_v2(Bucket=bucket, StartAfter="b")["Contents"]] == keys[-4:]
    s3.delete_object(Bucket=bucket, Key="b/x")
    s3.delete_object(Bucket=bucket, Key="b/y")
    prefixes = s3.list_objects_v2(Bucket=bucket, Delimiter="/")["CommonPrefixes"]
    assert [p["Prefix"] for p in prefixes] == ["a/", "foo+1/", "foo/"]


def test_listing_of_versions(s3, bucket):
    for key in ("x", "y"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [(v["Key"], v["VersionId"], v["IsLatest"]) for v in versions] == [("x", "null", True), ("y", "null", True)]


@pytest.mark.parametrize("size", [50_000, (8 << 20) + 1])
def test_ranges(s3, bucket, size):
    data = payload(size)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    for first, last in [(0, 0), (0, 499), (4095, 4096), (size // 2, size // 2 + 70_000), (size - 1, size + 10)]:
        got = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}")
        expected = data[first:last + 1]
        assert got["ContentRange"] == f"bytes {first}-{min(last, size - 1)}/{size}"
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["Body"].read() == expected
    assert read(s3, bucket, "k", Range="bytes=-10") == data[-10:]
    assert read(s3, bucket, "k", Range=f"bytes={size - 5}-") == data[-5:]
    with pytest.raises(ClientError) as raised:
        s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={size}-")
    assert code_of(raised) == ("InvalidRange", 416)


def test_multipart_by_hand(s3, bucket):
    parts = {1: payload(PART, 1), 2: payload(PART + 77, 2), 5: payload(10, 5)}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ContentType="image/x", Metadata={"who": "me"})["UploadId"]
    tags = {}
    for number in (5, 2, 1):
        tags[number] = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=number,
                                      Body=parts[number])["ETag"]
    with pytest.raises(ClientError) as raised:
        s3.get_object(Bucket=bucket, Key="m")
    assert code_of(raised) == ("NoSuchKey", 404)
    listed = [p for page in s3.get_paginator("list_parts").paginate(
        Bucket=bucket, Key="m", UploadId=upload, PaginationConfig={"PageSize": 1}) for p in page["Parts"]]
    assert [(p["PartNumber"], p["Size"]) for p in listed] == [(n, len(parts[n])) for n in (1, 2, 5)]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    complete = {"Parts": [{"PartNumber": n, "ETag": tags[n]} for n in (1, 2, 5)]}
    first = s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=complete)
    again = s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=complete)
    digest = hashlib.md5(b"".join(hashlib.md5(parts[n]).digest() for n in (1, 2, 5))).hexdigest()
    assert first["ETag"] == again["ETag"] == f'"{digest}-3"'
    whole = b"".join(parts[n] for n in (1, 2, 5))
    got = s3.get_object(Bucket=bucket, Key="m")
    assert got["ContentType"] == "image/x" and got["Metadata"] == {"who": "me"}
    assert sha(got["Body"].read()) == sha(whole)
    second = s3.get_object(Bucket=bucket, Key="m", PartNumber=2)
    assert second["PartsCount"] == 3 and second["Body"].read() == parts[2]
    middle = read(s3, bucket, "m", Range=f"bytes={PART - 3}-{PART + 2}")
    assert middle == whole[PART - 3:PART + 3]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_multipart_abort_and_errors(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    tags = [s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=n, Body=b"small")["ETag"] for n in (1, 2)]

    def complete(numbers, etag=None):
        with pytest.raises(ClientError) as raised:
            s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={
                "Parts": [{"PartNumber": n, "ETag": etag or tags[n - 1]} for n in numbers]})
        return code_of(raised)

    assert complete([1, 2]) == ("EntityTooSmall", 400)
    assert complete([2, 1]) == ("InvalidPartOrder", 400)
    assert complete([1], '"00000000000000000000000000000000"') == ("InvalidPart", 400)
    s3.abort_multipart_upload(Bucket=bucket, Key="m", UploadId=upload)
    assert complete([1]) == ("NoSuchUpload", 404)
    with pytest.raises(ClientError) as raised:
        s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"late")
    assert code_of(raised) == ("NoSuchUpload", 404)
    with pytest.raises(ClientError) as raised:
        s3.head_object(Bucket=bucket, Key="m")
    assert code_of(raised) == ("404", 404)


def test_copies(s3, bucket):
    data = payload((6 << 20) + 3)
    source = "from +%2F😀/key"
    s3.put_object(Bucket=bucket, Key=source, Body=data, Metadata={"a": "1"}, ContentType="text/x", Tagging="t=v")
    s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": source})
    got = s3.get_object(Bucket=bucket, Key="copied")
    assert got["Metadata"] == {"a": "1"} and got["ContentType"] == "text/x" and got["Body"].read() == data
    assert s3.get_object_tagging(Bucket=bucket, Key="copied")["TagSet"] == [{"Key": "t", "Value": "v"}]
    s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "copied"},
                   MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/y")
    got = s3.get_object(Bucket=bucket, Key="copied")
    assert got["Metadata"] == {"b": "2"} and got["ContentType"] == "text/y" and sha(got["Body"].read()) == sha(data)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    ranges = [(0, PART - 1), (PART, len(data) - 1)]
    parts = [{"PartNumber": n, "ETag": s3.upload_part_copy(
        Bucket=bucket, Key="parts", UploadId=upload, PartNumber=n, CopySource={"Bucket": bucket, "Key": source},
        CopySourceRange=f"bytes={a}-{b}")["CopyPartResult"]["ETag"]} for n, (a, b) in enumerate(ranges, 1)]
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.delete_object(Bucket=bucket, Key=source)
    assert sha(read(s3, bucket, "parts")) == sha(data), "a copy lives on after its source"
    with pytest.raises(ClientError) as raised:
        s3.copy_object(Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": source})
    assert code_of(raised) == ("NoSuchKey", 404)


def test_metadata_and_headers(s3, bucket):
    headers = {"CacheControl": "no-store", "ContentDisposition": 'attachment; filename="x"', "ContentEncoding": "gzip",
               "ContentLanguage": "de", "ContentType": "text/html"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"empty": "", "inner": "two  spaces"}, **headers)
    head = s3.head_object(Bucket=bucket, Key="k")
    assert {name: head[name] for name in headers} == headers
    assert head["Metadata"]["empty"] == ""
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="a/b", ResponseCacheControl="max-age=1")
    assert got["ContentType"] == "a/b" and got["CacheControl"] == "max-age=1"
    s3.put_object(Bucket=bucket, Key="k", Body=b"y")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {} and head["ContentType"] == "binary/octet-stream" and "CacheControl" not in head
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=bucket, Key="k", Body=b"z", Metadata={"m": "x" * 2100})
    assert code_of(raised) == ("MetadataTooLarge", 400)
    assert read(s3, bucket, "k") == b"y"


def test_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="class=7&split=train%20set")
    expected = [{"Key": "class", "Value": "7"}, {"Key": "split", "Value": "train set"}]
    assert sorted(s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"], key=lambda t: t["Key"]) == expected
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "größe", "Value": "+-=._:/@"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "größe", "Value": "+-=._:/@"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    with pytest.raises(ClientError) as raised:
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={
            "TagSet": [{"Key": str(i), "Value": ""} for i in range(11)]})
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert read(s3, bucket, "k") == b"x"


def test_presigned_urls(endpoint, s3, bucket):
    import ssl
    context = ssl.create_default_context(cafile=endpoint.certificate)
    key, data = "pre signed/ü+%2F", payload(50_000)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})
    request = urllib.request.Request(url, data=data, method="PUT", headers={"Content-Type": ""})
    with urllib.request.urlopen(request, context=context) as answer:
        assert answer.status == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key, "ResponseContentType": "a/b"})
    with urllib.request.urlopen(url, context=context) as answer:
        assert answer.headers["content-type"] == "a/b" and sha(answer.read()) == sha(data)
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(url[:-2] + ("00" if url[-2:] != "00" else "11"), context=context)
    assert raised.value.code == 403 and b"<Code>SignatureDoesNotMatch</Code>" in raised.value.read()


def test_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert code_of(raised) == ("PreconditionFailed", 412)
    assert read(s3, bucket, "k", IfMatch=etag) == b"1"
    with pytest.raises(ClientError) as raised:
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    assert code_of(raised)[1] == 304
    with pytest.raises(ClientError) as raised:
        s3.get_object(Bucket=bucket, Key="k", IfMatch='"other"')
    assert code_of(raised) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError) as raised:
        s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"}, CopySourceIfNoneMatch=etag)
    assert code_of(raised) == ("PreconditionFailed", 412)


def test_one_winner_among_conditional_creators(s3, bucket):
    def create(i):
        try:
            s3.put_object(Bucket=bucket, Key="once", Body=str(i).encode(), IfNoneMatch="*")
            return i
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412)
            return None
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        winners = [i for i in pool.map(create, range(8)) if i is not None]
    assert len(winners) == 1 and read(s3, bucket, "once") == str(winners[0]).encode()


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"] + (["CRC32C", "CRC64NVME"] if MODERN else []))
def test_checksums(s3, bucket, algorithm):
    data = payload(50_000)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm=algorithm)
    field = f"Checksum{algorithm}"
    known = {"CRC32": lambda: binascii.crc32(data).to_bytes(4, "big"), "SHA1": lambda: hashlib.sha1(data).digest(),
             "SHA256": lambda: hashlib.sha256(data).digest()}
    if algorithm in known:
        assert put[field] == base64.b64encode(known[algorithm]()).decode()
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got[field] == put[field] and got["Body"].read() == data
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectSize", "ETag"])
    assert attributes["Checksum"][field] == put[field] and attributes["ObjectSize"] == len(data)
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=bucket, Key="k", Body=b"other", **{field: put[field]})
    assert code_of(raised) == ("BadDigest", 400)
    assert read(s3, bucket, "k") == data, "a refused body leaves the object as it was"


def test_errors(endpoint, s3, bucket):
    cases = [
        (lambda: s3.get_object(Bucket=bucket, Key="none"), ("NoSuchKey", 404)),
        (lambda: s3.list_objects_v2(Bucket="no-such-bucket-here"), ("NoSuchBucket", 404)),
        (lambda: s3.put_object(Bucket="no-such-bucket-here", Key="k", Body=b"x"), ("NoSuchBucket", 404)),
        (lambda: s3.head_bucket(Bucket="no-such-bucket-here"), ("404", 404)),
        (lambda: s3.put_object(Bucket=bucket, Key="k" * 1025, Body=b"x"), ("KeyTooLongError", 400)),
        (lambda: s3.get_bucket_policy(Bucket=bucket), ("NoSuchBucketPolicy", 404)),
        (lambda: s3.get_bucket_cors(Bucket=bucket), ("NoSuchCORSConfiguration", 404)),
        (lambda: make_client(endpoint, access="NOBODY").list_buckets(), ("InvalidAccessKeyId", 403)),
        (lambda: make_client(endpoint, secret="wrong").list_buckets(), ("SignatureDoesNotMatch", 403)),
    ]
    for call, expected in cases:
        with pytest.raises(ClientError) as raised:
            call()
        assert code_of(raised) == expected
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with pytest.raises(ClientError) as raised:
        s3.delete_bucket(Bucket=bucket)
    assert code_of(raised) == ("BucketNotEmpty", 409)
    other = make_client(endpoint, access=granary_server.OTHER[0], secret=granary_server.OTHER[1])
    with pytest.raises(ClientError) as raised:
        other.get_object(Bucket=bucket, Key="k")
    assert code_of(raised) == ("AccessDenied", 403)


def test_buckets(s3):
    name = "bucket-of-a-test-of-boto3"
    s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket=name)
    assert s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    assert "Status" not in s3.get_bucket_versioning(Bucket=name)
    s3.delete_bucket(Bucket=name)
    assert name not in [b["Name"] for b in s3.list_buckets()["Buckets"]]


def test_many_threads(s3, bucket):
    """Small objects from 16 threads, which share stripes; each comes back whole, also while others are written."""
    def round_trip(i):
        data = payload(1000 + 997 * (i % 60), i)
        s3.put_object(Bucket=bucket, Key=f"t/{i}", Body=data)
        return sha(read(s3, bucket, f"t/{i}")) == sha(data)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(round_trip, range(300)))
    for i in range(0, 300, 7):
        assert sha(read(s3, bucket, f"t/{i}")) == sha(payload(1000 + 997 * (i % 60), i))
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 300


def test_a_full_store_is_not_asked_again(program):
    """boto3 repeats what may pass by itself, and no space does not: with its retries as they come, one answer ends it."""
    server = granary_server.GranaryServer(program, granary_server.work_folder(), capacity_bytes=64 << 20)
    try:
        server.start()
        for mode in ("legacy", "standard", "adaptive"):
            s3 = boto3.client(
                "s3", endpoint_url=server.url(), region_name=granary_server.REGION,
                aws_access_key_id=granary_server.MAIN[0], aws_secret_access_key=granary_server.MAIN[1],
                config=Config(s3={"addressing_style": "path"}, retries={"mode": mode, "max_attempts": 10}))
            s3.create_bucket(Bucket=mode)
            with pytest.raises(ClientError) as raised:
                for number in range(1000):
                    s3.put_object(Bucket=mode, Key=f"k{number}", Body=payload(1 << 20, number % 7))
            assert code_of(raised) == ("InsufficientStorage", 507)
            assert raised.value.response["ResponseMetadata"]["RetryAttempts"] == 0
        server.stop()
    finally:
        server.discard()


def test_annotations(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"image")["ETag"]
    put = s3.put_object_annotation(Bucket=bucket, Key="k", AnnotationName="truth", AnnotationPayload=b'{"class":"cat"}')
    assert put["Key"] == "k" and put["AnnotationName"] == "truth" and put["ChecksumType"] == "FULL_OBJECT"
    got = s3.get_object_annotation(Bucket=bucket, Key="k", AnnotationName="truth", ChecksumMode="ENABLED")
    assert got["AnnotationPayload"].read() == b'{"class":"cat"}' and got["ETag"] == put["ETag"]
    for algorithm in ("CRC32", "SHA256", "CRC64NVME"):
        s3.put_object_annotation(Bucket=bucket, Key="k", AnnotationName=algorithm, AnnotationPayload=b"1",
                                 ChecksumAlgorithm=algorithm)
    names = []
    for page in s3.get_paginator("list_object_annotations").paginate(Bucket=bucket, Key="k", MaxAnnotationResults=3):
        names += [each["AnnotationName"] for each in page.get("Annotations", [])]
    assert names == ["CRC32", "CRC64NVME", "SHA256", "truth"]
    listed = s3.list_object_annotations(Bucket=bucket, Key="k", AnnotationPrefix="tr")["Annotations"]
    assert [each["Size"] for each in listed] == [15]
    with pytest.raises(ClientError) as raised:
        s3.put_object_annotation(Bucket=bucket, Key="k", AnnotationName="truth", AnnotationPayload=b"x",
                                 ObjectIfMatch='"0"')
    assert code_of(raised) == ("PreconditionFailed", 412)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    assert s3.get_object_annotation(Bucket=bucket, Key="copy", AnnotationName="truth")["ETag"] == put["ETag"]
    s3.copy_object(Bucket=bucket, Key="bare", CopySource={"Bucket": bucket, "Key": "k"}, AnnotationDirective="EXCLUDE")
    s3.delete_object_annotation(Bucket=bucket, Key="k", AnnotationName="truth", ObjectIfMatch=etag)
    for key in ("k", "bare"):
        with pytest.raises(ClientError) as raised:
            s3.get_object_annotation(Bucket=bucket, Key=key, AnnotationName="truth")
        assert code_of(raised) == ("NoSuchAnnotation", 404)


if not MODERN:
    del test_annotations  # it has no such calls


def test_label_streams(s3, bucket):
    s3.put_object(Bucket=bucket, Key="here", Body=b"image")
    s3.put_object(Bucket=bucket, Key=".granary/labels/truth",
                  Body=b'{"key":"here","payload":{"class":"3"}}\n{"key":"later","payload":{"class":"8"}}\nbroken\n')
    report = json.loads(read(s3, bucket, ".granary/labels/truth"))
    assert (report["state"], report["applied"], report["pending"], report["rejected"]) == ("done", 1, 1, 1)
    assert read(s3, bucket, ".granary/pending/truth") == b'{"key":"later","payload":{"class":"8"}}\n'
    s3.put_object(Bucket=bucket, Key="later", Body=b"image")
    assert read(s3, bucket, ".granary/pending/truth") == b""
    found = s3.get_object(Bucket=bucket, Key=".granary/query/truth.class IN ('3', '8')")["Body"].read()
    assert [json.loads(line)["key"] for line in found.splitlines()] == ["here", "later"]


def test_ingest_rules(s3, bucket):
    rules = {"rules": [{"name": "path", "key": "^train/(?P<class>[^/]+)/", "labels": {"class": "${class}"}}]}
    s3.put_object(Bucket=bucket, Key=".granary/rules", Body=json.dumps(rules).encode())
    assert json.loads(read(s3, bucket, ".granary/rules")) == rules
    s3.put_object(Bucket=bucket, Key="train/cat/1", Body=b"image")
    line = json.loads(read(s3, bucket, ".granary/query/class = 'cat'"))
    assert line["labels"] == {"class": "cat"}
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=bucket, Key=".granary/rules", Body=b'{"rules":[{"name":"x","key":"("}]}')
    assert code_of(raised) == ("InvalidArgument", 400)
    s3.delete_object(Bucket=bucket, Key=".granary/rules")
    assert json.loads(read(s3, bucket, ".granary/rules")) == {"rules": []}
