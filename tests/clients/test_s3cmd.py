"""s3cmd: bodies without namespaces, `?acl`, `?policy` and `?cors` on the way, ETags compared with MD5."""

import os
import pathlib
import subprocess

import pytest

from conftest import payload, sha
from keys import FILE_KEYS

SIZES = [0, 1, 4096, 50_000, 1 << 20, (16 << 20) + 1]


@pytest.fixture
def s3cmd(endpoint, tmp_path):
    settings = tmp_path / "s3cfg"
    settings.write_text(f"""[default]
access_key = {endpoint.access_key}
secret_key = {endpoint.secret_key}
host_base = {endpoint.host}
host_bucket = {endpoint.host}
bucket_location = {endpoint.region}
use_https = {endpoint.secure}
ca_certs_file = {endpoint.certificate}
signature_v2 = False
""")
    program = pathlib.Path(os.environ["GRANARY_COMMANDS"]) / "bin" / "s3cmd"

    def run(*arguments):
        done = subprocess.run([str(program.parent / "python"), str(program), "-c", str(settings), "--no-progress",
                               *map(str, arguments)], capture_output=True, timeout=120)
        assert done.returncode == 0, f"{arguments}: {done.stdout.decode()[-500:]} {done.stderr.decode()[-1500:]}"
        assert b"WARNING" not in done.stderr, done.stderr.decode()[-1500:]
        return done.stdout.decode()
    return run


def test_put_and_get(s3cmd, bucket, tmp_path):
    for size in SIZES:
        (tmp_path / str(size)).write_bytes(payload(size))
    s3cmd("put", *[tmp_path / str(size) for size in SIZES], f"s3://{bucket}/sizes/")
    (tmp_path / "back").mkdir()
    s3cmd("get", "--recursive", f"s3://{bucket}/sizes/", tmp_path / "back")
    for size in SIZES:
        assert sha((tmp_path / "back" / str(size)).read_bytes()) == sha(payload(size)), size
    listed = s3cmd("ls", f"s3://{bucket}/sizes/")
    assert [line.split()[2:] for line in listed.splitlines()] == [
        [str(size), f"s3://{bucket}/sizes/{size}"] for size in sorted(SIZES, key=str)]


def test_sync_of_awkward_names(s3cmd, bucket, tmp_path):
    up, down = tmp_path / "up", tmp_path / "down"
    down.mkdir()
    for i, key in enumerate(FILE_KEYS):
        (up / key).parent.mkdir(parents=True, exist_ok=True)
        (up / key).write_bytes(payload(500, i))
    s3cmd("sync", f"{up}/", f"s3://{bucket}/t/")
    s3cmd("sync", f"s3://{bucket}/t/", f"{down}/")
    for i, key in enumerate(FILE_KEYS):
        assert (down / key).read_bytes() == payload(500, i), key
    s3cmd("del", "--recursive", "--force", f"s3://{bucket}/t/")
    assert s3cmd("ls", "--recursive", f"s3://{bucket}") == ""


def test_copy_move_info(s3cmd, bucket, tmp_path):
    (tmp_path / "f").write_bytes(payload(4096))
    s3cmd("put", tmp_path / "f", f"s3://{bucket}/a b")
    s3cmd("cp", f"s3://{bucket}/a b", f"s3://{bucket}/c")
    s3cmd("mv", f"s3://{bucket}/c", f"s3://{bucket}/d")
    assert "MD5 sum:" in s3cmd("info", f"s3://{bucket}/d")
    assert "Location:" in s3cmd("info", f"s3://{bucket}")
    s3cmd("get", f"s3://{bucket}/d", tmp_path / "g")
    assert (tmp_path / "g").read_bytes() == payload(4096)
    assert s3cmd("du", f"s3://{bucket}").split()[0] == str(2 * 4096)


def test_buckets(s3cmd):
    name = "bucket-of-s3cmd"
    s3cmd("mb", f"s3://{name}")
    assert f"s3://{name}" in s3cmd("ls")
    s3cmd("rb", f"s3://{name}")
    assert f"s3://{name}" not in s3cmd("ls")
