"""Versions, object lock, rename and append through boto3."""

import datetime

import pytest
from botocore.exceptions import ClientError

from conftest import payload
from test_boto3 import code_of, make_client, read

TOMORROW = datetime.timedelta(days=1)


@pytest.fixture
def s3(endpoint):
    return make_client(endpoint)


@pytest.fixture
def versioned(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield bucket
    empty(s3, bucket)


def empty(s3, bucket):
    """Removes every version, whatever governance says."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [{"Key": entry["Key"], "VersionId": entry["VersionId"]}
                 for entry in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        if found:
            removed = s3.delete_objects(Bucket=bucket, Delete={"Objects": found}, BypassGovernanceRetention=True)
            assert "Errors" not in removed


def test_versions_of_an_object(s3, versioned):
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=body)["VersionId"] for body in (b"one", b"two")]
    assert read(s3, versioned, "k") == b"two"
    assert read(s3, versioned, "k", VersionId=ids[0]) == b"one"
    marker = s3.delete_object(Bucket=versioned, Key="k")
    assert marker["DeleteMarker"] and marker["VersionId"] not in ids
    with pytest.raises(ClientError) as gone:
        read(s3, versioned, "k")
    assert code_of(gone) == ("NoSuchKey", 404)
    with pytest.raises(ClientError) as itself:
        s3.get_object(Bucket=versioned, Key="k", VersionId=marker["VersionId"])
    assert code_of(itself) == ("MethodNotAllowed", 405)
    listed = s3.list_object_versions(Bucket=versioned)
    assert [entry["VersionId"] for entry in listed["Versions"]] == ids[::-1]
    assert [entry["IsLatest"] for entry in listed["DeleteMarkers"]] == [True]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=marker["VersionId"])
    assert read(s3, versioned, "k") == b"two"


def test_pages_of_versions(s3, versioned):
    wanted = []
    for key in ("a", "b", "c"):
        made = [s3.put_object(Bucket=versioned, Key=key, Body=b"x")["VersionId"] for _ in range(4)]
        wanted += [(key, version) for version in reversed(made)]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": 5})
    assert [(v["Key"], v["VersionId"]) for page in pages for v in page["Versions"]] == wanted


def test_copies_multipart_and_tags(s3, versioned):
    data = payload(300_000)
    first = s3.put_object(Bucket=versioned, Key="k", Body=data)["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"newer")
    copied = s3.copy_object(Bucket=versioned, Key="k",
                            CopySource={"Bucket": versioned, "Key": "k", "VersionId": first})
    assert copied["CopySourceVersionId"] == first and copied["VersionId"] != first
    assert read(s3, versioned, "k") == data
    s3.put_object_tagging(Bucket=versioned, Key="k", VersionId=first,
                          Tagging={"TagSet": [{"Key": "n", "Value": "v"}]})
    assert s3.get_object_tagging(Bucket=versioned, Key="k")["TagSet"] == []
    assert s3.get_object_tagging(Bucket=versioned, Key="k", VersionId=first)["TagSet"] == [{"Key": "n", "Value": "v"}]
    upload = s3.create_multipart_upload(Bucket=versioned, Key="m")["UploadId"]
    part = s3.upload_part(Bucket=versioned, Key="m", UploadId=upload, PartNumber=1, Body=b"part")
    done = s3.complete_multipart_upload(Bucket=versioned, Key="m", UploadId=upload,
                                        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert read(s3, versioned, "m", VersionId=done["VersionId"]) == b"part"


def test_suspended(s3, versioned):
    kept = s3.put_object(Bucket=versioned, Key="k", Body=b"kept")["VersionId"]
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})
    assert s3.put_object(Bucket=versioned, Key="k", Body=b"null")["VersionId"] == "null"
    assert s3.delete_object(Bucket=versioned, Key="k")["VersionId"] == "null"
    assert read(s3, versioned, "k", VersionId=kept) == b"kept"


def test_object_lock(s3, bucket):
    locked = bucket + "-lock"
    s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    try:
        s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
        assert s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]["Rule"] == {
            "DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
        version = s3.put_object(Bucket=locked, Key="k", Body=b"x")["VersionId"]
        head = s3.head_object(Bucket=locked, Key="k")
        assert head["ObjectLockMode"] == "GOVERNANCE"
        until = head["ObjectLockRetainUntilDate"] + TOMORROW
        s3.put_object_retention(Bucket=locked, Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
        assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"]["RetainUntilDate"] == until
        with pytest.raises(ClientError) as refused:
            s3.delete_object(Bucket=locked, Key="k", VersionId=version)
        assert code_of(refused) == ("AccessDenied", 403)
        s3.put_object_legal_hold(Bucket=locked, Key="k", LegalHold={"Status": "ON"})
        with pytest.raises(ClientError) as held:
            s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
        assert code_of(held) == ("AccessDenied", 403)
        s3.put_object_legal_hold(Bucket=locked, Key="k", LegalHold={"Status": "OFF"})
        assert s3.get_object_legal_hold(Bucket=locked, Key="k")["LegalHold"]["Status"] == "OFF"
    finally:
        empty(s3, locked)
        s3.delete_bucket(Bucket=locked)


def test_rename_and_append(s3, bucket):
    s3.put_object(Bucket=bucket, Key="log", Body=b"hello", WriteOffsetBytes=0)
    appended = s3.put_object(Bucket=bucket, Key="log", Body=b" world", WriteOffsetBytes=5)
    assert appended["Size"] == 11
    with pytest.raises(ClientError) as wrong:
        s3.put_object(Bucket=bucket, Key="log", Body=b"!", WriteOffsetBytes=5)
    assert code_of(wrong) == ("InvalidWriteOffset", 400)
    assert read(s3, bucket, "log") == b"hello world"
