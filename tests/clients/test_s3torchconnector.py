"""s3torchconnector with CPU torch. Its TLS library trusts the system's authorities only, so over TLS the program runs in a
mount name space of its own where the list of authorities is the test's certificate."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from conftest import payload, sha

PROGRAM = pathlib.Path(__file__).with_name("torch_connector.py")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def run(endpoint, *arguments):
    command = [sys.executable, str(PROGRAM), *arguments]
    url = endpoint.url
    if endpoint.secure:
        url = endpoint.server.url("https", "localhost")
        unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        command = [*unshare, "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', endpoint.certificate,
                   AUTHORITIES, *command]
    done = subprocess.run([*command, url], env=endpoint.environment(), capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_connector(endpoint, bucket):
    client = endpoint.client()
    expected = {}
    for i in range(200):
        data = payload(1000 + 100 * i, i)
        key = f"train/class {i % 3}/{i:04}.bin"
        assert client.put(bucket, key, data).status == 200
        expected[key] = sha(data)
    client.put(bucket, "train/empty", b"")
    expected["train/empty"] = sha(b"")
    client.close()
    seen = run(endpoint, bucket)
    assert seen["map"] == expected, "the map-style data set, read by two worker processes"
    assert seen["iterable"] == expected
    assert seen["ranged"] == sha(payload(1000 + 100 * 7, 7)[100:600])
    assert seen["written"] == seen["expected"] and seen["checkpoint"] is True
