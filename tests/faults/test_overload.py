"""More clients than there is room for, and clients that take their time: memory stays bounded, everybody else is served.

With more connections, where the machine allows them: GRANARY_IDLE_CONNECTIONS=10000 tests/faults/run PROGRAM test_overload.py
"""

import random
import resource
import threading

import crowd
import granary_server
import pytest
import sigv4
from witness import NOISE, wait_until

MEMORY_BYTES = 256 << 20
BUCKET = "crowd"
SLOW = 1000
BIG_BYTES = 100 << 20


@pytest.fixture
def small(make_server):
    """A store with the least memory that is allowed."""
    server = make_server(capacity_bytes=2 << 30, settings={"memory_bytes": MEMORY_BYTES}).start()
    client = sigv4.Client(server.port, granary_server.MAIN)
    client.make_bucket(BUCKET)
    client.close()
    return server


@pytest.fixture
def many(small):
    crowd.raise_file_limit(SLOW + 100)
    many = crowd.Crowd(small)
    yield many
    many.close()


def serve_others(server, rounds=60):
    """Clients that behave: every request of theirs is answered, and well."""
    client = sigv4.Client(server.port, granary_server.MAIN)
    numbers = random.Random(rounds)
    for i in range(rounds):
        size = numbers.choice([100, 50_000, 300_000, 1 << 20, 3_000_000])
        start = numbers.randrange(1 << 20)
        body = NOISE[start:start + size]
        answer = client.put(BUCKET, f"other{i}", body)
        assert answer.status == 200, answer
        answer = client.get(BUCKET, f"other{i}")
        assert answer.status == 200 and answer.body == body
        if i % 10 == 0:
            crowd.check_memory(server)
    client.close()


def used_bytes(server, user):
    return server.metrics()[f'memory_used_bytes{{user="{user}"}}']


def test_slow_senders(small, many):
    """A thousand uploads of 1 MB whose bytes come one at a time hold what came, not what was announced."""
    for connection in many.add(SLOW):
        connection.sendall(crowd.head_of(small, "PUT", f"/{BUCKET}/slow", 1_000_000))
    for _ in range(3):
        assert many.each(lambda c: c.sendall(b"x")) == 0
        serve_others(small, 20)
    assert used_bytes(small, "requests") <= SLOW * 8192 + (4 << 20)
    crowd.check_memory(small)


def test_senders_of_large_bodies_that_stop(small, many):
    """They hold neither stripes nor the memory that small uploads need."""
    for connection in many.add(200):
        connection.sendall(crowd.head_of(small, "PUT", f"/{BUCKET}/large", BIG_BYTES))
        connection.sendall(NOISE[:40_000])
    serve_others(small)
    for connection in many.connections:  # fast enough for a stripe, and then nothing more
        connection.settimeout(5)
        with_room = NOISE[:1 << 20]
        try:
            connection.sendall(with_room)
        except OSError:
            pass  # the store takes no more than it has room for, or has cut it
    serve_others(small)
    crowd.check_memory(small)


def test_a_slow_body_that_ends_is_stored_whole(small):
    """Pieces of every size, far apart: what the group commit and the stripes got is one object again."""
    body = NOISE[:3_500_000]
    connection = crowd.connect(small)
    connection.sendall(crowd.head_of(small, "PUT", f"/{BUCKET}/pieces", len(body)))
    numbers = random.Random(7)
    sent = 0
    pause = threading.Event()
    while sent < len(body):
        size = numbers.choice([1, 100, 5_000, 70_000, 400_000])
        connection.sendall(body[sent:sent + size])
        sent += size
        pause.wait(0.03)  # the sender's own pace
    status, _, _ = crowd.read_answer(connection)
    connection.close()
    assert status == 200
    client = sigv4.Client(small.port, granary_server.MAIN)
    assert client.get(BUCKET, "pieces").body == body
    assert client.get(BUCKET, "pieces", {"range": "bytes=1000000-2999999"}).body == body[1_000_000:3_000_000]
    client.close()


def test_slow_readers(small, many):
    """A thousand clients that ask for 100 MiB each and take next to nothing: they wait without any memory of ours."""
    client = sigv4.Client(small.port, granary_server.MAIN, timeout=120)
    body = NOISE[:5 << 20] * (BIG_BYTES // (5 << 20))
    assert client.put(BUCKET, "big", body).status == 200
    for connection in many.add(SLOW, receive_bytes=16384):
        connection.sendall(crowd.head_of(small, "GET", f"/{BUCKET}/big"))
    for _ in range(3):
        many.each(crowd.trickle)
        serve_others(small, 20)
        crowd.check_memory(small)
    assert used_bytes(small, "requests") < small.metrics()['memory_max_bytes{user="requests"}'] / 2
    answer = client.get(BUCKET, "big")
    assert answer.status == 200 and answer.body == body, "a client that keeps up is served"
    client.close()


def test_idle_connections(small):
    wanted = crowd.size_of("GRANARY_IDLE_CONNECTIONS", 2000)
    many = crowd.Crowd(small)
    many.add(crowd.raise_file_limit(wanted))
    for connection in many.connections[::2]:  # half of them have been used
        connection.sendall(b"GET /.granary/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    for connection in many.connections[::2]:
        assert crowd.read_answer(connection)[0] == 200
    serve_others(small, 100)
    assert small.metrics()["api_connections"] >= len(many.connections)
    crowd.check_memory(small)
    many.close()


def test_the_longest_idle_make_room(make_server):
    server = make_server(settings={"connections_max": 64}).start()
    many = crowd.Crowd(server)
    many.add(64)
    client = sigv4.Client(server.port, granary_server.MAIN)
    client.make_bucket(BUCKET)
    assert client.put(BUCKET, "k", b"served").status == 200

    def gone():
        count = 0
        for connection in many.connections:
            connection.setblocking(False)
            try:
                count += connection.recv(1) == b""
            except BlockingIOError:
                pass
            except OSError:
                count += 1
        return count
    # One of the 65 had to wait for room, the client or one of the crowd that the kernel still held.
    wait_until(lambda: gone() > 0, "an idle connection to be closed")
    assert gone() < 64
    assert len([line for line in server.log_lines("warn") if "accept_paused" in line]) <= 2, "one line a listener"
    client.close()
    many.close()
    server.stop()


def test_no_file_is_left(make_server):
    """With few files allowed, drives and metadata keep theirs; connections wait, and nothing dies."""
    server = make_server()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    crowd.raise_file_limit(1000)
    spawn = server.spawn

    def spawn_with_few_files(log=None):
        process = spawn(log)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (450, 450))
        return process
    server.spawn = spawn_with_few_files
    server.start()
    many = crowd.Crowd(server)
    many.add(600)  # the kernel's queue takes those that are not accepted
    many.each(lambda c: c.sendall(b"GET /.granary/health/live HTTP/1.1\r\nHost: x\r\n\r\n"))
    wait_until(lambda: any("accept_paused" in line for line in server.log_lines("warn")), "a pause")
    many.close()
    client = sigv4.Client(server.port, granary_server.MAIN)
    client.make_bucket(BUCKET)
    for i in range(20):
        assert client.put(BUCKET, f"k{i}", NOISE[:3_000_000]).status == 200
    client.close()
    assert server.log_lines("error") == []
    assert len([line for line in server.log_lines("warn") if "accept_paused" in line]) <= 4
    server.stop()
