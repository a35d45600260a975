"""A fresh store and a printed seed for each test. The server and the S3 client are those of tests/clients."""

import os
import pathlib
import random
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "clients"))

import granary_server  # noqa: E402
import witness  # noqa: E402

CAPACITY = 512 << 20


def pytest_addoption(parser):
    parser.addoption("--granary", required=True, help="the program to test")


@pytest.fixture
def seed(request):
    """pytest prints this for a test that fails; GRANARY_SEED repeats it."""
    value = int(os.environ.get("GRANARY_SEED") or random.SystemRandom().randrange(1 << 31))
    print(f"seed {value}: GRANARY_SEED={value} tests/faults/run PROGRAM -k '{request.node.name}'")
    return value


@pytest.fixture
def program(request):
    return request.config.getoption("--granary")


@pytest.fixture
def make_server(program):
    """Makes stores that are not started yet; they are killed and removed after the test."""
    made = []

    def make(**more):
        more.setdefault("capacity_bytes", CAPACITY)
        made.append(granary_server.GranaryServer(program, granary_server.work_folder(), **more))
        return made[-1]
    yield make
    for server in made:
        server.kill()
        print(f"--- log of {server.folder}\n{server.log_tail(40)}")
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture
def server(make_server):
    return make_server().start()


@pytest.fixture
def load(server, seed):
    """The witness of `server`: its writers are stopped before the store goes away."""
    load = witness.Witness(server, seed)
    load.make_bucket()
    yield load
    load.stop()
