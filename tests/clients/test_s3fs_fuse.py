"""s3fs-fuse: a bucket as a folder. Where nothing can be mounted this file is not collected (conftest.py)."""

import os
import shutil
import subprocess
import time

import pytest

from conftest import payload, sha


@pytest.fixture
def mounted(endpoint, bucket, tmp_path):
    password = tmp_path / "password"
    password.write_text(f"{endpoint.access_key}:{endpoint.secret_key}")
    password.chmod(0o600)
    folder = tmp_path / "mounted"
    folder.mkdir()
    url = f"https://localhost:{endpoint.port}" if endpoint.secure else endpoint.url
    done = subprocess.run(
        ["s3fs", bucket, str(folder), "-o", f"passwd_file={password}", "-o", f"url={url}", "-o", "use_path_request_style",
         "-o", "multipart_size=5", "-o", "enable_noobj_cache", "-o", "endpoint=us-east-1"],
        env={**endpoint.environment(), "CURL_CA_BUNDLE": endpoint.certificate}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 30
    while not os.path.ismount(folder):
        assert time.monotonic() < deadline, "nothing is mounted"
        time.sleep(0.02)  # between two looks at a condition that has a deadline
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=60)


def test_files(mounted, endpoint, bucket):
    large = payload(12 << 20)
    (mounted / "dir" / "below").mkdir(parents=True)
    (mounted / "dir" / "one").write_bytes(b"one")
    (mounted / "dir" / "below" / "large").write_bytes(large)
    assert sha((mounted / "dir" / "below" / "large").read_bytes()) == sha(large)
    with open(mounted / "dir" / "one", "ab") as file:
        file.write(b" and more")
    assert (mounted / "dir" / "one").read_bytes() == b"one and more"
    with open(mounted / "dir" / "below" / "large", "r+b") as file:
        file.seek(6 << 20)
        file.write(b"changed")
    changed = large[:6 << 20] + b"changed" + large[(6 << 20) + 7:]
    assert endpoint.client().get(bucket, "dir/below/large").body == changed
    os.rename(mounted / "dir" / "below", mounted / "dir" / "moved")
    assert sorted(p.name for p in (mounted / "dir").iterdir()) == ["moved", "one"]
    os.chmod(mounted / "dir" / "one", 0o640)
    assert (mounted / "dir" / "one").stat().st_mode & 0o777 == 0o640
    shutil.rmtree(mounted / "dir")
    assert list(mounted.iterdir()) == []
