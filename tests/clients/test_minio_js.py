"""minio-js on Node: the script does the work and prints what it saw; contents are compared here."""

import json
import os
import pathlib
import subprocess

import pytest

from conftest import payload, sha
from keys import FILE_KEYS

SCRIPT = pathlib.Path(__file__).with_name("minio_js.cjs")


@pytest.fixture
def seen(endpoint, bucket, tmp_path):
    sizes = [0, 1, 4096, 50_000, 1 << 20, (8 << 20) + 1]
    files = []
    for size in sizes:
        (tmp_path / str(size)).write_bytes(payload(size))
        files.append(str(tmp_path / str(size)))
    task = {"host": "localhost" if endpoint.secure else "127.0.0.1", "port": endpoint.port, "secure": endpoint.secure,
            "access": endpoint.access_key, "secret": endpoint.secret_key, "bucket": bucket, "files": files,
            "keys": FILE_KEYS, "folder": str(tmp_path)}
    done = subprocess.run(
        ["node", str(SCRIPT)], input=json.dumps(task), capture_output=True, text=True, timeout=120,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": endpoint.certificate,
             "NODE_PATH": os.environ["GRANARY_NODE_MODULES"]})
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_minio_js(seen):
    for size in (0, 1, 4096, 50_000, 1 << 20, (8 << 20) + 1):
        assert seen["files"][str(size)] == {"size": size, "sha256": sha(payload(size))}
    assert seen["keys"] == {key: sha(key.encode()) for key in FILE_KEYS}
    assert seen["listed"] == sorted(FILE_KEYS, key=lambda k: k.encode())
    assert seen["prefixes"] == ["keys/a b/", "keys/emoji-😀/", "keys/ünï/", "keys/日本語/"]
    assert seen["copied"] == sha(payload(50_000)) and seen["presigned"] == sha(payload(50_000))
    assert seen["part"] == sha(payload(50_000)[100:300])
    assert seen["tags"] == [{"Key": "class", "Value": "cat"}] and seen["metadata"] == "me"
    assert seen["missing"] in ("NotFound", "NoSuchKey") and seen["left"] == 0
