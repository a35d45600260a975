"""Small drives that fill up: a clean error, and everything else goes on."""

import random

import granary_server
import sigv4
from witness import BUCKET, NOISE, sha

BODY_BYTES = 1 << 20
BODIES_MAX = 2000


def fill(client, numbers):
    """Puts until the store has no more room; {key: SHA-256} of what it took, and the refusal."""
    taken = {}
    for i in range(BODIES_MAX):
        start = numbers.randrange(1 << 20)
        data = f"{i} ".encode() + NOISE[start:start + BODY_BYTES]
        answer = client.put(BUCKET, f"k{i}", data)
        if answer.status != 200:
            return taken, answer
        taken[f"k{i}"] = sha(data)
    raise AssertionError("the drives never filled")


def check(client, taken):
    for key, digest in taken.items():
        answer = client.get(BUCKET, key)
        assert answer.status == 200 and sha(answer.body) == digest, (key, answer)
    assert sorted(client.list_keys(BUCKET)) == sorted(taken)


def test_full_drives(make_server, seed):
    server = make_server(capacity_bytes=96 << 20).start()
    client = sigv4.Client(server.port, granary_server.MAIN)
    client.make_bucket(BUCKET)
    taken, refusal = fill(client, random.Random(seed))
    assert len(taken) > 50
    assert refusal.status in (500, 503, 507) and refusal.code, refusal
    check(client, taken)
    for i in range(20):  # refused again and again, without harm
        assert client.put(BUCKET, f"more{i}", NOISE[:BODY_BYTES]).status == refusal.status
    for key in list(taken)[::3]:
        assert client.delete(BUCKET, key).status == 204, "deletes still work"
        del taken[key]
    check(client, taken)
    client.close()
    server.stop()
    server.start()
    client = sigv4.Client(server.port, granary_server.MAIN)
    check(client, taken)
    for key in list(taken):
        assert client.delete(BUCKET, key).status == 204
    assert client.list_keys(BUCKET) == []
    client.close()
    server.stop()
