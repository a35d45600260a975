"""Policies, access control lists, users and temporary credentials, through boto3."""

import json
import ssl
import urllib.error
import urllib.request

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

import granary_server


def client(endpoint, keys=None, service="s3", token=None, signature="s3v4"):
    access, secret = keys or (None, None)
    options = {"retries": {"max_attempts": 1}, "signature_version": signature if keys else UNSIGNED}
    if service == "s3":
        options["s3"] = {"addressing_style": "path"}
    else:
        options["signature_version"] = "v4"
    return boto3.client(service, endpoint_url=endpoint.url, region_name=endpoint.region, aws_access_key_id=access,
                        aws_secret_access_key=secret, aws_session_token=token, verify=endpoint.certificate,
                        config=Config(**options))


def statement(effect, principal, action, *resources, **more):
    return {"Effect": effect, "Principal": principal, "Action": action,
            "Resource": [f"arn:aws:s3:::{r}" for r in resources], **more}


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def refused(call, code="AccessDenied", **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response
    return error["Error"]["Code"] == code or (error["Error"]["Code"], code) == ("403", "AccessDenied")


@pytest.fixture
def main(endpoint):
    return client(endpoint, granary_server.MAIN)


@pytest.fixture
def other(endpoint):
    return client(endpoint, granary_server.OTHER)


@pytest.fixture
def nobody(endpoint):
    return client(endpoint)


def test_bucket_policy(main, other, nobody, bucket):
    main.put_object(Bucket=bucket, Key="a", Body=b"a")
    assert refused(other.get_object, Bucket=bucket, Key="a")
    text = policy(statement("Allow", {"AWS": "arn:aws:iam:::user/other"}, ["s3:GetObject", "s3:ListBucket"], bucket, f"{bucket}/*"))
    main.put_bucket_policy(Bucket=bucket, Policy=text)
    assert main.get_bucket_policy(Bucket=bucket)["Policy"] == text
    assert main.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    assert other.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
    assert refused(other.get_object, "NoSuchKey", Bucket=bucket, Key="absent")
    assert refused(other.put_object, Bucket=bucket, Key="a", Body=b"b")
    assert refused(nobody.get_object, Bucket=bucket, Key="a")
    assert refused(main.put_bucket_policy, "MalformedPolicy", Bucket=bucket, Policy="{}")
    main.delete_bucket_policy(Bucket=bucket)
    assert refused(main.get_bucket_policy, "NoSuchBucketPolicy", Bucket=bucket)
    assert refused(other.get_object, Bucket=bucket, Key="a")


def test_access_control_lists(main, other, nobody, bucket):
    main.put_object(Bucket=bucket, Key="public", Body=b"p", ACL="public-read")
    main.put_object(Bucket=bucket, Key="private", Body=b"s")
    assert nobody.get_object(Bucket=bucket, Key="public")["Body"].read() == b"p"
    assert refused(nobody.get_object, Bucket=bucket, Key="private")
    assert refused(nobody.list_objects_v2, Bucket=bucket)
    main.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert [o["Key"] for o in nobody.list_objects_v2(Bucket=bucket)["Contents"]] == ["private", "public"]
    other.put_object(Bucket=bucket, Key="others", Body=b"o")
    nobody.put_object(Bucket=bucket, Key="nobodys", Body=b"n")
    assert refused(main.get_object, Bucket=bucket, Key="others")
    assert main.get_object(Bucket=bucket, Key="nobodys")["Body"].read() == b"n"
    acl = main.get_object_acl(Bucket=bucket, Key="private")
    acl["Grants"].append({"Grantee": {"Type": "CanonicalUser", "ID": "other", "DisplayName": "other"}, "Permission": "READ"})
    main.put_object_acl(Bucket=bucket, Key="private",
                        AccessControlPolicy={"Owner": acl["Owner"], "Grants": acl["Grants"]})
    assert other.get_object(Bucket=bucket, Key="private")["Body"].read() == b"s"
    assert main.get_object_acl(Bucket=bucket, Key="private")["Grants"] == acl["Grants"]
    main.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    main.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={
        "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True})
    assert refused(nobody.get_object, Bucket=bucket, Key="public")
    assert refused(main.put_object_acl, Bucket=bucket, Key="public", ACL="public-read")
    main.delete_object(Bucket=bucket, Key="others")


def test_signature_version_2(endpoint, main, bucket):
    old = client(endpoint, granary_server.MAIN, signature="s3")
    old.put_object(Bucket=bucket, Key="a b+c", Body=b"a", ContentType="text/plain", Metadata={"x": "1"})
    got = old.get_object(Bucket=bucket, Key="a b+c")
    assert got["Body"].read() == b"a" and got["Metadata"] == {"x": "1"}
    url = old.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b+c", "ResponseContentType": "text/csv"})
    assert "AWSAccessKeyId" in url
    context = ssl.create_default_context(cafile=endpoint.certificate)
    with urllib.request.urlopen(url, context=context if endpoint.secure else None) as answer:
        assert answer.read() == b"a" and answer.headers["Content-Type"] == "text/csv"
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(url.replace("csv", "xml"), context=context if endpoint.secure else None)
    assert raised.value.code == 403


def test_temporary_credentials(endpoint, main, bucket):
    main.put_object(Bucket=bucket, Key="open/a", Body=b"a")
    main.put_object(Bucket=bucket, Key="b", Body=b"b")
    sts = client(endpoint, granary_server.MAIN, "sts")
    session = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"}]})
    made = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/reader", RoleSessionName="me", Policy=session,
                           DurationSeconds=900)["Credentials"]
    reader = client(endpoint, (made["AccessKeyId"], made["SecretAccessKey"]), token=made["SessionToken"])
    assert reader.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"
    assert refused(reader.get_object, Bucket=bucket, Key="b")
    assert refused(reader.put_object, Bucket=bucket, Key="open/a", Body=b"c")
    made = sts.get_session_token()["Credentials"]
    whole = client(endpoint, (made["AccessKeyId"], made["SecretAccessKey"]), token=made["SessionToken"])
    assert whole.get_object(Bucket=bucket, Key="b")["Body"].read() == b"b"
    stale = client(endpoint, (made["AccessKeyId"], made["SecretAccessKey"]), token=made["SessionToken"] + "x")
    assert refused(stale.get_object, "InvalidToken", Bucket=bucket, Key="b")


def test_users(endpoint, server, main, bucket, tmp_path):
    made = server.command("user", "add", "erin", "--email", "erin@example.com")
    try:
        erin = client(endpoint, (made["access_key"], made["secret_key"]))
        assert erin.list_buckets()["Buckets"] == []
        assert refused(erin.list_objects_v2, Bucket=bucket)
        reading = tmp_path / "reading.json"
        reading.write_text(json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}]}))
        server.command("user", "policy", "put", "erin", "reading", reading)
        main.put_object(Bucket=bucket, Key="a", Body=b"a")
        assert erin.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
        assert refused(erin.put_object, Bucket=bucket, Key="a", Body=b"b")
        second = server.command("user", "key", "add", "erin")
        server.command("user", "key", "remove", "erin", made["access_key"])
        assert refused(erin.get_object, "InvalidAccessKeyId", Bucket=bucket, Key="a")
        erin = client(endpoint, (second["access_key"], second["secret_key"]))
        assert erin.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
        server.command("user", "disable", "erin")
        assert refused(erin.get_object, "InvalidAccessKeyId", Bucket=bucket, Key="a")
        server.command("user", "enable", "erin")
        assert erin.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
        listed = server.command("user", "list")["users"]
        assert [(u["name"], u["policies"]) for u in listed] == [("erin", ["reading"])]
        assert server.command("user", "show", "erin")["policies"]["reading"] == reading.read_text()
    finally:
        server.command("user", "remove", "erin")
    for line in (second["secret_key"], made["secret_key"]):
        assert line not in server.log_file.read_text()
    assert (server.folder / "secrets.key").stat().st_mode & 0o777 == 0o600
