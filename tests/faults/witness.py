"""A witness outside the store: it writes, remembers what was acknowledged, and compares.

Each key belongs to one writer thread, so the order of its changes is known. A change without an answer may or may not
have happened: until the next look both states are right, and from then on the one that was seen.
"""

import hashlib
import http.client
import random
import threading
import time

import granary_server
import sigv4

BUCKET = "witness"
ABSENT = None
PART_BYTES = 5 << 20
NOISE = random.Random(1).randbytes(PART_BYTES + (3 << 20))
LOST = (OSError, http.client.HTTPException)


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Key:
    def __init__(self, name):
        self.name = name
        self.state = ABSENT   # SHA-256 of the body that the last acknowledged change left, or ABSENT
        self.possible = []    # what changes without an answer would have left

    def allowed(self):
        return [self.state, *self.possible]

    def settle(self, state):
        self.state, self.possible = state, []


class Refused(AssertionError):
    """An answer that is neither success nor expected."""

    def __init__(self, text, status=None):
        super().__init__(text)
        self.status = status


class Writer(threading.Thread):
    """One client: changes and reads its own keys until it is told to stop or the connection is lost."""

    def __init__(self, witness, number, keys):
        super().__init__(name=f"writer-{number}", daemon=True)
        self.witness, self.keys = witness, keys
        self.numbers = random.Random(witness.seed * 100 + witness.rounds * 17 + number)
        self.client = sigv4.Client(witness.server.port, granary_server.MAIN)
        self.failure = None
        self.counter = 0

    def run(self):
        try:
            while not self.witness.stopping.is_set():
                self.step()
                self.witness.count()
        except LOST as lost:
            if not self.witness.may_lose_connections:
                self.failure = Refused(f"{self.name}: the connection was lost: {lost!r}")
        except Refused as failure:
            # A store that is stopping says so to those who still ask.
            if not (self.witness.may_lose_connections and failure.status == 503):
                self.failure = failure
        except Exception as failure:
            self.failure = failure
        finally:
            self.client.close()
            self.witness.ended()

    def step(self):
        key = self.numbers.choice(self.keys)
        kind = self.numbers.choices(["put", "get", "delete", "multipart", "copy"], [55, 20, 12, 3, 10])[0]
        if key.possible:
            kind = "get"  # decided first, so that no list of possibilities grows
        getattr(self, kind)(key)

    def body(self):
        """Never the same twice: the head names it, the rest is noise from a random place."""
        self.counter += 1
        size = self.numbers.choice([0, 1, 100, 4096, 20_000, 50_000, 50_000, 150_000, 1 << 20, 2_500_000])
        if size == 0:
            return b""
        head = f"{self.name} {self.witness.rounds} {self.counter} ".encode()
        start = self.numbers.randrange(1 << 20)
        return (head + NOISE[start:start + size])[:max(size, len(head))]

    def change(self, key, state, send, expected):
        key.possible.append(state)  # before the first byte is sent
        answer = send()
        if answer.status != expected:
            raise Refused(f"{self.name}: {key.name}: {answer}", answer.status)
        key.settle(state)

    def put(self, key):
        data = self.body()
        self.change(key, sha(data), lambda: self.client.put(BUCKET, key.name, data), 200)

    def delete(self, key):
        self.change(key, ABSENT, lambda: self.client.delete(BUCKET, key.name), 204)

    def copy(self, key):
        source = self.numbers.choice(self.keys)
        if source is key or source.possible or source.state is ABSENT:
            return
        header = {"x-amz-copy-source": f"{BUCKET}/{source.name}"}
        self.change(key, source.state, lambda: self.client.put(BUCKET, key.name, b"", header), 200)

    def multipart(self, key):
        target = f"{sigv4.object_path(BUCKET, key.name)}"
        bodies = [NOISE[self.numbers.randrange(1 << 20):][:PART_BYTES], self.body()]
        answer = self.client.request("POST", f"{target}?uploads")
        self.expect(answer, 200)
        target += f"?uploadId={answer.field('UploadId')}"
        parts = ""
        for number, data in enumerate(bodies, 1):
            answer = self.client.request("PUT", f"{target}&partNumber={number}", data)
            self.expect(answer, 200)
            parts += f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['etag']}</ETag></Part>"
        complete = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        self.change(key, sha(b"".join(bodies)), lambda: self.client.request("POST", target, complete), 200)

    def expect(self, answer, status):
        if answer.status != status:
            raise Refused(f"{self.name}: {answer}", answer.status)

    def get(self, key):
        self.witness.look(self.client, key)


class Witness:
    def __init__(self, server, seed, writers=6, keys=24):
        self.server, self.seed = server, seed
        self.keys = [[Key(f"w{w}/object {k}") for k in range(keys)] for w in range(writers)]
        self.rounds = 0
        self.stopping = threading.Event()
        self.may_lose_connections = False
        self.changed = threading.Condition()
        self.steps = self.running = 0
        self.writers = []

    def make_bucket(self):
        client = sigv4.Client(self.server.port, granary_server.MAIN)
        client.make_bucket(BUCKET)
        client.close()

    def start(self):
        """Begins a round of load."""
        self.rounds += 1
        self.stopping.clear()
        self.may_lose_connections = False
        self.steps, self.running = 0, len(self.keys)
        self.writers = [Writer(self, i, keys) for i, keys in enumerate(self.keys)]
        for writer in self.writers:
            writer.start()

    def count(self):
        with self.changed:
            self.steps += 1
            self.changed.notify_all()

    def ended(self):
        with self.changed:
            self.running -= 1
            self.changed.notify_all()

    def wait_for_steps(self, count, seconds=60):
        """Waits until `count` more steps were acknowledged."""
        with self.changed:
            target = self.steps + count
            self.changed.wait_for(lambda: self.steps >= target or self.running < len(self.writers), seconds)
            reached = self.steps >= target
        if not reached:
            self.finish()
            raise AssertionError(f"the store answered too little in {seconds} s\n{self.server.log_tail()}")

    def stop(self):
        self.stopping.set()
        for writer in self.writers:
            writer.join(60)
            assert not writer.is_alive(), f"{writer.name} got no answer in 60 s"

    def finish(self):
        """Ends the round; raises what a writer found wrong."""
        self.stop()
        failures = [w.failure for w in self.writers if w.failure]
        self.writers = []
        if failures:
            raise AssertionError(f"{len(failures)} writers failed, the first with {failures[0]!r}\n"
                                 f"{self.server.log_tail()}") from failures[0]

    def crash(self, act):
        """Lets `act` end the server under load; connections that break are no failure then."""
        self.may_lose_connections = True
        act()
        self.finish()

    def look(self, client, key):
        """Reads a key and compares it with what it may be."""
        answer = client.get(BUCKET, key.name)
        if answer.status == 200:
            state = sha(answer.body)
        elif (answer.status, answer.code) == (404, "NoSuchKey"):
            state = ABSENT
        else:
            raise Refused(f"{key.name}: {answer}", answer.status)
        if state not in key.allowed():
            raise AssertionError(f"{key.name}: found {state}, {len(answer.body)} bytes, instead of one of {key.allowed()}")
        if answer.status == 200 and len(answer.body) > 2:
            ranged = client.get(BUCKET, key.name, {"range": f"bytes=1-{len(answer.body) // 2}"})
            if ranged.status != 206:
                raise Refused(f"{key.name}: {ranged}", ranged.status)
            if ranged.body != answer.body[1:len(answer.body) // 2 + 1]:
                raise AssertionError(f"{key.name}: a range differs from the whole: {ranged}")
        key.settle(state)

    def check(self):
        """Everything, by content; the listing must agree."""
        client = sigv4.Client(self.server.port, granary_server.MAIN)
        for keys in self.keys:
            for key in keys:
                self.look(client, key)
        present = sorted(k.name for keys in self.keys for k in keys if k.state is not ABSENT)
        assert client.list_keys(BUCKET) == present
        client.close()
        assert self.server.alive()


def wait_until(condition, what, seconds=30):
    """Polls a condition that another process makes true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen in {seconds} s")
        time.sleep(0.05)  # between two polls of a condition that has a deadline
