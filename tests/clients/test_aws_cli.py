"""aws-cli 1 as users type it."""

import json
import os
import pathlib
import subprocess

import pytest

from conftest import LARGE, SIZES, payload, sha
from keys import FILE_KEYS


@pytest.fixture
def aws(endpoint):
    program = pathlib.Path(os.environ["GRANARY_COMMANDS"]) / "bin" / "aws"

    def run(*arguments, text=True, fails=False):
        done = subprocess.run([str(program), *map(str, arguments)], env=endpoint.environment(), capture_output=True,
                              timeout=120)
        assert (done.returncode != 0) == fails, f"{arguments}: {done.stderr.decode()[-1000:]}"
        output = done.stderr if fails else done.stdout
        return output.decode() if text else output
    return run


def test_sync_up_and_down(aws, bucket, tmp_path):
    up, down = tmp_path / "up", tmp_path / "down"
    for i, key in enumerate(FILE_KEYS):
        (up / key).parent.mkdir(parents=True, exist_ok=True)
        (up / key).write_bytes(payload(1000, i))
    for size in SIZES:
        (up / f"size-{size}").write_bytes(payload(size))
    aws("s3", "sync", up, f"s3://{bucket}/tree")
    assert aws("s3", "sync", up, f"s3://{bucket}/tree") == "", "a second sync has nothing to do"
    aws("s3", "sync", f"s3://{bucket}/tree", down)
    for i, key in enumerate(FILE_KEYS):
        assert (down / key).read_bytes() == payload(1000, i), key
    for size in SIZES:
        assert sha((down / f"size-{size}").read_bytes()) == sha(payload(size))
    listed = aws("s3", "ls", f"s3://{bucket}/tree/")
    assert f"{(8 << 20) + 1} size-{(8 << 20) + 1}" in listed and "PRE a b/" in listed
    aws("s3", "rm", "--recursive", f"s3://{bucket}/tree")
    assert json.loads(aws("s3api", "list-objects-v2", "--bucket", bucket, "--query", "length(Contents || `[]`)")) == 0


def test_large_file(aws, bucket, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(payload(LARGE))
    aws("s3", "cp", source, f"s3://{bucket}/large")
    # Within the store: HEAD, GET ?tagging, UploadPartCopy for each part.
    aws("s3", "mv", f"s3://{bucket}/large", f"s3://{bucket}/moved")
    aws("s3", "cp", f"s3://{bucket}/moved", back)
    assert sha(back.read_bytes()) == sha(source.read_bytes())
    assert aws("s3", "ls", f"s3://{bucket}/").split()[2:] == [str(LARGE), "moved"]


def test_object_calls(aws, bucket, tmp_path):
    file = tmp_path / "f"
    file.write_bytes(payload(50_000))
    aws("s3api", "put-object", "--bucket", bucket, "--key", "k", "--body", file, "--tagging", "a=1", "--metadata", "m=v")
    assert json.loads(aws("s3api", "get-object-tagging", "--bucket", bucket, "--key", "k"))["TagSet"] == [
        {"Key": "a", "Value": "1"}]
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "k"))
    assert head["ContentLength"] == 50_000 and head["Metadata"] == {"m": "v"}
    aws("s3api", "get-object", "--bucket", bucket, "--key", "k", "--range", "bytes=100-199", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == payload(50_000)[100:200]
    assert aws("s3", "cp", f"s3://{bucket}/k", "-", text=False) == payload(50_000)
    attributes = json.loads(aws("s3api", "get-object-attributes", "--bucket", bucket, "--key", "k",
                                "--object-attributes", "ObjectSize", "ETag"))
    assert attributes["ObjectSize"] == 50_000


def test_buckets_and_errors(aws):
    name = "bucket-of-aws-cli"
    aws("s3", "mb", f"s3://{name}")
    assert name in aws("s3", "ls")
    assert aws("s3", "ls", f"s3://{name}") == ""
    aws("s3api", "put-object", "--bucket", name, "--key", "k")
    aws("s3", "rb", "--force", f"s3://{name}")
    assert name not in aws("s3", "ls")
    assert "NoSuchBucket" in aws("s3", "ls", f"s3://{name}", fails=True)


def test_versions(aws, bucket, tmp_path):
    file, back = tmp_path / "f", tmp_path / "back"
    aws("s3api", "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
    assert json.loads(aws("s3api", "get-bucket-versioning", "--bucket", bucket)) == {"Status": "Enabled"}
    ids = []
    for size in (1000, 2000):
        file.write_bytes(payload(size))
        ids.append(json.loads(aws("s3api", "put-object", "--bucket", bucket, "--key", "k", "--body", file))["VersionId"])
    aws("s3api", "get-object", "--bucket", bucket, "--key", "k", "--version-id", ids[0], back)
    assert back.read_bytes() == payload(1000)
    aws("s3", "rm", f"s3://{bucket}/k")
    assert aws("s3", "ls", f"s3://{bucket}/") == ""
    listed = json.loads(aws("s3api", "list-object-versions", "--bucket", bucket))
    assert [entry["VersionId"] for entry in listed["Versions"]] == ids[::-1]
    marker = listed["DeleteMarkers"][0]["VersionId"]
    for version in [marker, *ids]:
        aws("s3api", "delete-object", "--bucket", bucket, "--key", "k", "--version-id", version)
    left = json.loads(aws("s3api", "list-object-versions", "--bucket", bucket) or "{}")
    assert not left.get("Versions") and not left.get("DeleteMarkers")


def test_object_lock(aws, bucket, tmp_path):
    locked = bucket + "-lock"
    file = tmp_path / "f"
    file.write_bytes(payload(1000))
    aws("s3api", "create-bucket", "--bucket", locked, "--object-lock-enabled-for-bucket")
    put = json.loads(aws("s3api", "put-object", "--bucket", locked, "--key", "k", "--body", file,
                         "--object-lock-mode", "GOVERNANCE", "--object-lock-retain-until-date", "2099-01-01T00:00:00Z",
                         "--checksum-algorithm", "CRC32"))
    delete = ["s3api", "delete-object", "--bucket", locked, "--key", "k", "--version-id", put["VersionId"]]
    try:
        assert "AccessDenied" in aws(*delete, fails=True)
        retention = json.loads(aws("s3api", "get-object-retention", "--bucket", locked, "--key", "k"))["Retention"]
        assert retention["Mode"] == "GOVERNANCE" and retention["RetainUntilDate"].startswith("2099-01-01T00:00:00")
        aws("s3api", "put-object-legal-hold", "--bucket", locked, "--key", "k", "--legal-hold", "Status=ON")
        assert "AccessDenied" in aws(*delete, "--bypass-governance-retention", fails=True)
        aws("s3api", "put-object-legal-hold", "--bucket", locked, "--key", "k", "--legal-hold", "Status=OFF")
    finally:
        aws(*delete, "--bypass-governance-retention")
        aws("s3api", "delete-bucket", "--bucket", locked)
