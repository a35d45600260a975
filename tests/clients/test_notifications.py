"""boto3: events of buckets, to webhooks over HTTP and TLS and to a directory, across refusals and restarts."""

import json
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import granary_server
from hook import Hook

ARN = "arn:granary:sqs:us-east-1:{}"


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hook")
    certificate, key = granary_server.make_certificate(folder)
    plain, secure, stubborn = Hook(), Hook(certificate=certificate, key=key), Hook()
    yield {"plain": plain, "secure": secure, "stubborn": stubborn, "certificate": str(certificate)}
    for hook in (plain, secure, stubborn):
        hook.close()


@pytest.fixture(scope="module")
def server(pytestconfig, hooks):
    folder = granary_server.work_folder()
    targets = {
        "plain": {"url": f"http://127.0.0.1:{hooks['plain'].port}/good", "token": "a-token"},
        "secure": {"url": f"https://localhost:{hooks['secure'].port}/good",
                   "certificate_authority": hooks["certificate"]},
        "untrusted": {"url": f"https://localhost:{hooks['secure'].port}/untrusted"},
        "stubborn": {"url": f"http://127.0.0.1:{hooks['stubborn'].port}/503/3"},
    }
    settings = {"notifications": {"webhooks": targets, "directories": {"lines": str(folder / "events")},
                                  "event_bridge": "lines"},
                "lifecycle": {"day_seconds": 2, "scan_seconds": 1}}
    store = granary_server.GranaryServer(pytestconfig.getoption("--granary"), folder, settings=settings)
    store.start()
    yield store
    store.stop()
    assert store.log_lines("error") == []
    assert "a-token" not in store.log_text()


@pytest.fixture
def s3(server):
    access, secret = granary_server.MAIN
    return boto3.client("s3", endpoint_url=server.url(), region_name=granary_server.REGION, aws_access_key_id=access,
                        aws_secret_access_key=secret, config=Config(s3={"addressing_style": "path"}))


@pytest.fixture
def made(s3):
    name = f"events-{time.time_ns()}"
    s3.create_bucket(Bucket=name)
    return name


def listen(s3, bucket, target, events, **more):
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "QueueConfigurations": [{"Id": "all", "QueueArn": ARN.format(target), "Events": events, **more}]})


def of(hook, bucket):
    return [record for record in hook.records() if record["s3"]["bucket"]["name"] == bucket]


@pytest.mark.parametrize("target", ["plain", "secure"])
def test_events_reach_a_webhook(s3, hooks, made, target):
    hook = hooks[target]
    listen(s3, made, f"{target}:webhook", ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"])
    s3.put_object(Bucket=made, Key="a b/ü.txt", Body=b"hello")
    s3.put_object_tagging(Bucket=made, Key="a b/ü.txt", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.copy_object(Bucket=made, Key="copy", CopySource={"Bucket": made, "Key": "a b/ü.txt"})
    s3.delete_objects(Bucket=made, Delete={"Objects": [{"Key": "a b/ü.txt"}, {"Key": "copy"}]})
    hook.wait(lambda: len(of(hook, made)) >= 5, "five events")
    names = [(r["eventName"], r["s3"]["object"]["key"]) for r in of(hook, made)]
    assert names == [("ObjectCreated:Put", "a+b/%C3%BC.txt"), ("ObjectTagging:Put", "a+b/%C3%BC.txt"),
                     ("ObjectCreated:Copy", "copy"), ("ObjectRemoved:Delete", "a+b/%C3%BC.txt"),
                     ("ObjectRemoved:Delete", "copy")]
    created = of(hook, made)[0]
    assert created["s3"]["configurationId"] == "all" and created["s3"]["object"]["size"] == 5
    assert created["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    tests = [m for m in hook.messages() if m.get("Event") == "s3:TestEvent" and m["Bucket"] == made]
    assert len(tests) == 1
    authorization = [headers.get("Authorization") for _, headers, _ in hook.calls][-1]
    assert authorization == ("Bearer a-token" if target == "plain" else None)


def test_a_webhook_that_refuses_is_asked_again(s3, server, hooks, made):
    hook = hooks["stubborn"]
    listen(s3, made, "stubborn:webhook", ["s3:ObjectCreated:*"])
    for i in range(20):
        s3.put_object(Bucket=made, Key=f"k{i:02}", Body=b"x")
    hook.wait(lambda: len(of(hook, made)) >= 20, "twenty events")
    assert hook.refused == 3
    assert [r["s3"]["object"]["key"] for r in of(hook, made)] == [f"k{i:02}" for i in range(20)]


def test_a_directory_gets_lines(s3, server, made):
    s3.put_bucket_notification_configuration(Bucket=made, NotificationConfiguration={
        "TopicConfigurations": [{"TopicArn": "arn:minio:sqs::lines:directory", "Events": ["s3:ObjectCreated:*"],
                                 "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}}],
        "EventBridgeConfiguration": {}})
    got = s3.get_bucket_notification_configuration(Bucket=made)
    assert got["TopicConfigurations"][0]["Filter"]["Key"]["FilterRules"] == [{"Name": "Suffix", "Value": ".jpg"}]
    assert got["TopicConfigurations"][0]["Id"] and got["EventBridgeConfiguration"] == {}
    s3.put_object(Bucket=made, Key="x.jpg", Body=b"x")
    s3.put_object(Bucket=made, Key="x.png", Body=b"x")
    file = server.folder / "events" / "events.jsonl"

    def lines():
        return [json.loads(line) for line in file.read_text().splitlines() if made in line]
    deadline = time.monotonic() + 30
    while len(lines()) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)  # between two looks at a condition that has a deadline
    test, *events = lines()
    assert test["Event"] == "s3:TestEvent"
    assert sorted(e["detail"]["object"]["key"] for e in events if "detail" in e) == ["x.jpg", "x.png"]
    assert [e["Records"][0]["s3"]["object"]["key"] for e in events if "Records" in e] == ["x.jpg"]


def test_versions_uploads_and_lifecycle(s3, hooks, made):
    hook = hooks["plain"]
    listen(s3, made, "plain:webhook", ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"])
    s3.put_bucket_versioning(Bucket=made, VersioningConfiguration={"Status": "Enabled"})
    upload = s3.create_multipart_upload(Bucket=made, Key="parts")["UploadId"]
    etag = s3.upload_part(Bucket=made, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    version = s3.complete_multipart_upload(Bucket=made, Key="parts", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": 1, "ETag": etag}]})["VersionId"]
    marker = s3.delete_object(Bucket=made, Key="parts")["VersionId"]
    s3.delete_object(Bucket=made, Key="parts", VersionId=version)
    s3.put_object(Bucket=made, Key="old", Body=b"x")
    s3.put_bucket_lifecycle_configuration(Bucket=made, LifecycleConfiguration={
        "Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "old"}, "Expiration": {"Days": 1}}]})
    hook.wait(lambda: len(of(hook, made)) >= 5, "five events")
    seen = [(r["eventName"], r["s3"]["object"].get("versionId")) for r in of(hook, made)]
    assert seen[:3] == [("ObjectCreated:CompleteMultipartUpload", version),
                        ("ObjectRemoved:DeleteMarkerCreated", marker), ("ObjectRemoved:Delete", version)]
    assert [name for name, _ in seen[3:]] == ["ObjectCreated:Put", "LifecycleExpiration:DeleteMarkerCreated"]


def test_what_cannot_be(s3, made):
    for arn in ("arn:granary:sqs:us-east-1:nobody:webhook", "arn:aws:sqs:us-east-1:123456789012:queue"):
        with pytest.raises(ClientError) as raised:
            s3.put_bucket_notification_configuration(Bucket=made, NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]})
        error = raised.value.response["Error"]
        assert error["Code"] == "InvalidArgument"
        assert error["Message"] == "Unable to validate the following destination configurations"
    s3.put_bucket_notification_configuration(Bucket=made, SkipDestinationValidation=True, NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": "arn:aws:sqs:us-east-1:123456789012:queue", "Events": ["s3:ObjectCreated:*"]}]})
    s3.put_object(Bucket=made, Key="k", Body=b"x")
    s3.put_bucket_notification_configuration(Bucket=made, NotificationConfiguration={})
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=made)


def test_who_is_not_trusted_gets_nothing(s3, server, hooks, made):
    listen(s3, made, "untrusted:webhook", ["s3:ObjectCreated:*"])
    s3.put_object(Bucket=made, Key="k", Body=b"x")
    hooks["plain"].wait(lambda: any("events_wait" in line and "untrusted" in line for line in server.log_lines("warn")),
                        "the failure in the log")
    assert of(hooks["secure"], made) == []
    assert server.metrics()['api_events_queued{target="untrusted"}'] == 2
