"""rclone from Debian: ListObjects V1, unsigned payload with Content-MD5, a HEAD after every PUT."""

import json
import os
import subprocess

import pytest

from conftest import LARGE, SIZES, payload, sha
from keys import FILE_KEYS


@pytest.fixture
def rclone(endpoint):
    environment = {
        **os.environ, "RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_G_TYPE": "s3", "RCLONE_CONFIG_G_PROVIDER": "Other",
        "RCLONE_CONFIG_G_ENDPOINT": endpoint.url, "RCLONE_CONFIG_G_FORCE_PATH_STYLE": "true",
        "RCLONE_CONFIG_G_REGION": endpoint.region, "RCLONE_CONFIG_G_ACCESS_KEY_ID": endpoint.access_key,
        "RCLONE_CONFIG_G_SECRET_ACCESS_KEY": endpoint.secret_key, "RCLONE_CA_CERT": endpoint.certificate,
        "RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1"}

    def run(*arguments, text=True, **more):
        done = subprocess.run(["rclone", *map(str, arguments)], env=environment, capture_output=True, timeout=120,
                              **more)
        assert done.returncode == 0, f"{arguments}: {done.stderr.decode()[-1500:]}"
        return done.stdout.decode() if text else done.stdout
    return run


def test_sync_and_check(rclone, bucket, tmp_path):
    up, down = tmp_path / "up", tmp_path / "down"
    for i, key in enumerate(FILE_KEYS):
        (up / key).parent.mkdir(parents=True, exist_ok=True)
        (up / key).write_bytes(payload(700, i))
    for size in SIZES:
        (up / f"size-{size}").write_bytes(payload(size))
    rclone("sync", up, f"G:{bucket}/t")
    rclone("check", "--download", up, f"G:{bucket}/t")
    rclone("sync", f"G:{bucket}/t", down)
    for i, key in enumerate(FILE_KEYS):
        assert (down / key).read_bytes() == payload(700, i), key
    for size in SIZES:
        assert sha((down / f"size-{size}").read_bytes()) == sha(payload(size))
    found = {e["Path"]: e["Size"] for e in json.loads(rclone("lsjson", "-R", "--files-only", f"G:{bucket}/t"))}
    assert found == {**{key: 700 for key in FILE_KEYS}, **{f"size-{s}": s for s in SIZES}}
    (up / "size-1").unlink()
    rclone("sync", up, f"G:{bucket}/t")
    assert "size-1\n" not in rclone("lsf", f"G:{bucket}/t")


def test_large_file_in_parts(rclone, bucket, tmp_path):
    (tmp_path / "large").write_bytes(payload(LARGE))
    rclone("copyto", "--s3-upload-cutoff", "10M", "--s3-chunk-size", "8M", tmp_path / "large", f"G:{bucket}/l")
    rclone("moveto", f"G:{bucket}/l", f"G:{bucket}/m")
    rclone("copyto", "--multi-thread-cutoff", "16M", f"G:{bucket}/m", tmp_path / "back")
    assert sha((tmp_path / "back").read_bytes()) == sha(payload(LARGE))


def test_stream_and_range(rclone, bucket):
    data = payload((6 << 20) + 9)
    rclone("rcat", f"G:{bucket}/s", input=data)
    assert sha(rclone("cat", f"G:{bucket}/s", text=False)) == sha(data)
    assert rclone("cat", "--offset", 1000, "--count", 5000, f"G:{bucket}/s", text=False) == data[1000:6000]


def test_buckets_and_purge(rclone):
    name = "bucket-of-rclone"
    rclone("mkdir", f"G:{name}")
    assert f"{name}/" in rclone("lsf", "G:")
    rclone("rcat", f"G:{name}/d/x", input=b"1")
    rclone("purge", f"G:{name}")
    assert f"{name}/" not in rclone("lsf", "G:")


def test_commands_of_rclone_test(rclone, bucket, tmp_path):
    """What rclone's own tests find out about a remote: which characters, lengths and ways to write it can take."""
    report = tmp_path / "report.json"
    rclone("test", "info", "--check-normalization", "--check-control", "--check-length", "--check-streaming", "--write-json",
           report, f"G:{bucket}/info")
    found = json.loads(report.read_text())
    assert found["CanWriteUnnormalized"] and found["CanReadUnnormalized"] and found["CanStream"]
    assert not found["CanReadRenormalized"], "a key is its bytes"
    assert found["MaxFileLength"] == 1024 - len("info/")
    for character, what in found["ControlCharacters"].items():
        assert what["WriteError"] == what["GetError"] == {}, (character, what)
        # rclone shows control characters by pictures of them.
        shown = "renamed" if len(character) == 1 and (character < " " or character == "\x7f") else "present"
        assert set(what["InList"].values()) == {shown}, (character, what)
    rclone("test", "makefiles", "--files", 60, "--files-per-directory", 10, "--seed", 1, tmp_path / "made")
    rclone("copy", tmp_path / "made", f"G:{bucket}/made")
    rclone("check", "--download", tmp_path / "made", f"G:{bucket}/made")
    rclone("test", "memory", f"G:{bucket}/made")
    rclone("test", "histogram", f"G:{bucket}/made")
