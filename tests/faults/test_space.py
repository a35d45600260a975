"""Small stores that fill up, give space back, and are killed while they collect it.

GRANARY_REFILL_ROUNDS and GRANARY_KILL_CYCLES ask for more rounds than ./check has time for: 20 and 200 are a full run.
"""

import os
import random
import threading
import time

import granary_server
import sigv4
from witness import BUCKET, NOISE, Witness, sha, wait_until

ROUNDS = int(os.environ.get("GRANARY_REFILL_ROUNDS") or 3)
CYCLES = int(os.environ.get("GRANARY_KILL_CYCLES") or 6)
SMALLEST = 256 << 20  # of a drive
SIZES = [20_000, 150_000, 600_000, 1 << 20, 3_000_000]
BODIES_MAX = 20_000
REFILL_SHARE = 0.7
REFUSALS_MAX = 2000  # a store that goes on refusing for so long gives nothing back
MOVED = "storage_collector_moved_bytes_total"
FREED = "storage_collector_freed_segments_total"


class Filler:
    """Writes bodies that are never the same twice, and remembers what the store took."""

    def __init__(self, server, seed, prefix="k"):
        self.numbers, self.prefix = random.Random(seed), prefix
        self.client = sigv4.Client(server.port, granary_server.MAIN)
        self.taken = {}  # key: (SHA-256, bytes)
        self.serial = 0

    def put(self, size):
        self.serial += 1
        start = self.numbers.randrange(1 << 20)
        data = f"{self.prefix} {self.serial} ".encode() + NOISE[start:start + size]
        key = f"{self.prefix}{self.serial}"
        answer = self.client.put(BUCKET, key, data)
        if answer.status == 200:
            self.taken[key] = (sha(data), len(data))
        else:
            assert (answer.status, answer.code) == (507, "InsufficientStorage"), answer
            assert "retry-after" not in answer.headers, "a client that waits would make no room"
        return answer.status == 200

    def fill(self):
        """Until the store has no room for any of the sizes."""
        sizes = list(SIZES)
        while sizes and self.serial < BODIES_MAX:
            size = self.numbers.choice(sizes)
            if not self.put(size):
                sizes = [smaller for smaller in sizes if smaller < size]
        assert not sizes, "the drives never filled"

    def delete_share(self, share):
        """Deletes at random; the bytes that were in what went."""
        gone = [key for key in self.taken if self.numbers.random() < share]
        for key in gone:
            answer = self.client.delete(BUCKET, key)
            assert answer.status == 204, answer
        return sum(self.taken.pop(key)[1] for key in gone)

    def write_again(self, wanted):
        """Goes on until so many bytes were taken, however often it is refused in between; the refusals."""
        before, refusals = self.bytes(), 0
        while self.bytes() - before < wanted:
            if not self.put(self.numbers.choice(SIZES)):
                refusals += 1
                assert refusals < REFUSALS_MAX, f"only {self.bytes() - before} of {wanted} bytes could be written again"
                time.sleep(0.05)  # what any client does; how often is bounded above
        return refusals

    def bytes(self):
        return sum(size for _, size in self.taken.values())

    def check(self):
        for key, (digest, _) in self.taken.items():
            answer = self.client.get(BUCKET, key)
            assert answer.status == 200 and sha(answer.body) == digest, (key, answer)
        assert sorted(self.client.list_keys(BUCKET, self.prefix)) == sorted(self.taken)


def test_refill_rounds(make_server, seed):
    """What was deleted on a full store can be written again, round after round, and nothing is lost at the boundary."""
    server = make_server(capacity_bytes=SMALLEST).start()
    filler = Filler(server, seed)
    filler.client.make_bucket(BUCKET)
    filler.fill()
    full_bytes = filler.bytes()
    for number in range(ROUNDS):
        filler.check()  # reads go on while it is full
        deleted = filler.delete_share(0.5)
        assert deleted > full_bytes / 10
        started = time.monotonic()
        refusals = filler.write_again(REFILL_SHARE * deleted)
        print(f"round {number}: {deleted >> 20} MiB deleted, {REFILL_SHARE:.0%} written again in "
              f"{time.monotonic() - started:.1f} s, {refusals} refusals")
        filler.fill()
    filler.check()
    filler.client.close()
    server.stop()
    server.start()
    filler.client = sigv4.Client(server.port, granary_server.MAIN)
    filler.check()
    assert filler.delete_share(1) > 0 and filler.client.list_keys(BUCKET) == []
    filler.client.close()
    server.stop()
    assert server.log_lines("error") == []


def test_writes_resume_by_themselves(make_server, seed):
    """Clients that were refused are served again as soon as others have deleted: no restart, no command."""
    server = make_server(capacity_bytes=128 << 20).start()
    filler = Filler(server, seed)
    filler.client.make_bucket(BUCKET)
    filler.fill()
    fillers = [Filler(server, seed + 1 + i, f"late{i}-") for i in range(4)]
    refused = [threading.Event() for _ in fillers]
    failures = []

    def insist(late, met_refusal):
        try:
            for _ in range(REFUSALS_MAX):
                if late.put(1 << 20):
                    return
                met_refusal.set()
                time.sleep(0.05)  # what any client does; how often is bounded
            raise AssertionError("refused for ever")
        except Exception as failure:
            failures.append(failure)
            met_refusal.set()

    threads = [threading.Thread(target=insist, args=each, daemon=True) for each in zip(fillers, refused)]
    for thread in threads:
        thread.start()
    for event in refused:
        assert event.wait(60), "a full store took another body"
    assert not failures, failures
    filler.delete_share(0.5)
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), server.log_tail()
    assert not failures, failures
    for each in [filler, *fillers]:
        each.check()
        each.client.close()
    server.stop()


def wait_until_collecting(server, load):
    """Load goes on until this process has moved live bytes, so that the kill meets a collector at work."""
    for _ in range(200):
        load.wait_for_steps(25)
        if server.metrics()[MOVED] > 0:
            return
    raise AssertionError(f"the collector never moved anything\n{server.log_tail()}")


def test_kills_while_the_collector_works(make_server, seed):
    """kill -9 under overwrites and deletes on a store that must collect to take them: nothing acknowledged is lost, and
    nothing that was deleted or replaced comes back, neither at once nor at a later start."""
    numbers = random.Random(seed)
    server = make_server(capacity_bytes=96 << 20).start()
    load = Witness(server, seed)
    load.make_bucket()
    # Bodies that stay are mixed with bodies that go: each segment is worth collecting and must be moved first.
    ballast = Filler(server, seed, "ballast")
    for _ in range(900):
        assert ballast.put(numbers.choice([50_000, 150_000, 300_000]))
    ballast.delete_share(0.5)
    freed = 0
    try:
        for _ in range(CYCLES):
            load.start()
            wait_until_collecting(server, load)
            load.wait_for_steps(numbers.randrange(1, 60))
            freed += server.metrics()[FREED]
            load.crash(server.kill)
            ballast.client.close()
            server.start()
            ballast.client = sigv4.Client(server.port, granary_server.MAIN)
            check_all(load, ballast)
            ballast.delete_share(0.05)
    finally:
        load.stop()
    assert freed > 0, "no segment was ever freed"
    wait_until(lambda: server.metrics()[FREED] > 0, "collection after the last start", 60)
    check_all(load, ballast)
    ballast.client.close()
    server.stop()
    server.start()
    ballast.client = sigv4.Client(server.port, granary_server.MAIN)
    check_all(load, ballast)
    ballast.client.close()
    server.stop()
    assert server.log_lines("error") == []


def check_all(load, ballast):
    """Every key of both, by content; what was deleted is not listed and not found."""
    for keys in load.keys:
        for key in keys:
            load.look(ballast.client, key)
    ballast.check()
    present = sorted([k.name for keys in load.keys for k in keys if k.state is not None] + list(ballast.taken))
    assert ballast.client.list_keys(BUCKET) == present
