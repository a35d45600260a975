"""One store for a session, a bucket for a test; every test that takes `endpoint` runs over HTTP and over TLS."""

import hashlib
import os
import pathlib
import random
import re
import shutil

import pytest

import granary_server
import sigv4



def can_mount():
    """Whether file systems can be mounted here: the device is there and so is the right."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError:
        return False
    status = pathlib.Path("/proc/self/status").read_text()
    rights = int(re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.M).group(1), 16)
    return bool(rights >> 21 & 1)  # CAP_SYS_ADMIN


collect_ignore = [] if can_mount() else ["test_s3fs_fuse.py"]

SIZES = [0, 1, 4096, 50_000, 1 << 20, (8 << 20) + 1]
LARGE = 100 << 20


def payload(size, seed=0):
    return random.Random(size * 1009 + seed).randbytes(size)


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Endpoint:
    """How a client reaches the store: `url`, `host` with port, `secure`, and the certificate file to trust."""

    def __init__(self, server, scheme):
        self.server, self.scheme, self.secure = server, scheme, scheme == "https"
        self.url = server.url(scheme)
        self.host = self.url.split("//")[1]
        self.port = server.tls_port if self.secure else server.port
        self.certificate = str(server.certificate)
        self.access_key, self.secret_key = granary_server.MAIN
        self.region = granary_server.REGION

    def client(self, keys=granary_server.MAIN):
        return sigv4.Client(self.port, keys, self.certificate if self.secure else None)

    def environment(self):
        """Variables by which most AWS tools find the store, and nothing of the user's own settings."""
        return {**os.environ, "AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_DEFAULT_REGION": self.region, "AWS_REGION": self.region, "AWS_ENDPOINT_URL": self.url,
                "AWS_CA_BUNDLE": self.certificate, "AWS_CONFIG_FILE": "/dev/null",
                "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"}


def pytest_addoption(parser):
    parser.addoption("--granary", required=True, help="the program to test")


@pytest.fixture(scope="session")
def program(request):
    return request.config.getoption("--granary")


@pytest.fixture(scope="session")
def server(program):
    folder = granary_server.work_folder()
    server = granary_server.GranaryServer(program, folder).start()
    try:
        yield server
        assert server.alive(), f"the store died\n{server.log_tail()}"
        server.stop()
        assert server.log_lines("error") == []
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["http", "https"])
def endpoint(request, server):
    return Endpoint(server, request.param)


@pytest.fixture
def bucket(request, server):
    """A fresh bucket, named after the test and emptied after it, so that the drives do not fill."""
    client = sigv4.Client(server.port, granary_server.MAIN)
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    name = client.make_bucket(f"{name}-{random.randrange(1 << 32):08x}")
    yield name
    for key in client.list_keys(name):
        assert client.delete(name, key).status == 204
    client.close()
