"""Concurrent clients on few keys, beside faults: every answer fits one order of all calls."""

import itertools
import random
import shutil
import threading

import granary_server
import pytest
import sigv4
import witness
from linearizability import UNANSWERED, Call, NotLinearizable, explain

BUCKET = "few"
KEYS = 3
CLIENTS = 5
LOST = witness.LOST


def test_the_checker_sees_what_is_wrong():
    def put(number, value, key=0):
        return ("answer", number, Call("put", key, value, None, True))

    def get(number, value, key=0):
        return ("answer", number, Call("get", key, None, None, value))

    def call(number):
        return ("call", number, None)

    # A read beside a write may see either, but once one saw the new value no later one sees the old.
    explain([call(1), put(1, 1), call(2), call(3), get(3, 1), put(2, 2), call(4), get(4, 2)], 1)
    with pytest.raises(NotLinearizable):
        explain([call(1), put(1, 1), call(2), call(3), get(3, 2), call(4), get(4, 1), put(2, 2)], 1)
    with pytest.raises(NotLinearizable):  # a lost write
        explain([call(1), put(1, 1), call(2), get(2, None)], 1)
    both = [("answer", n, Call("create", 0, n, None, True)) for n in (1, 2)]
    with pytest.raises(NotLinearizable):  # two creators
        explain([call(1), call(2), *both], 1)
    with pytest.raises(NotLinearizable):  # a listing that shows the later of two writes and not the earlier
        explain([call(1), put(1, 1), call(2), put(2, 2, 1), call(3), ("answer", 3, Call("list", result=(None, 2)))], 2)
    unanswered = ("call", 2, Call("put", 0, 2, None, UNANSWERED))
    explain([call(1), put(1, 1), unanswered, call(3), get(3, 1), call(4), get(4, 2)], 1)
    gone = ("gone", 2, unanswered[2])
    for value in (1, 2):
        explain([call(1), put(1, 1), unanswered, gone, call(3), get(3, value), call(4), get(4, value)], 1)
    with pytest.raises(NotLinearizable):  # it came too late
        explain([call(1), put(1, 1), unanswered, gone, call(3), get(3, 1), call(4), get(4, 2)], 1)
    with pytest.raises(NotLinearizable):  # what took effect stays
        explain([call(1), put(1, 1), unanswered, call(3), get(3, 2), call(4), get(4, 1)], 1)


class Recorder:
    """Several clients that call and write down when; values are numbers, told by body and ETag."""

    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.events, self.numbers = [], itertools.count()
        self.values, self.round = itertools.count(1), 0
        self.etags = {}  # of every value ever sent
        self.failures = []
        self.stopping = threading.Event()
        self.steps = 0

    def body(self, value, numbers):
        size = numbers.choice([0, 0, 3000, 60_000, 1_500_000])
        body = b"%d " % value + witness.NOISE[:size]
        self.etags[sigv4.hashlib.md5(body).hexdigest()] = value
        return body

    def client(self, number):
        numbers = random.Random(self.seed * 31 + self.round * 7 + number)
        client = sigv4.Client(self.server.port, granary_server.MAIN)
        try:
            while not self.stopping.is_set():
                self.step(client, numbers)
                self.steps += 1
        except LOST:
            pass  # the call stays unanswered
        except Exception as failure:
            self.failures.append(failure)
        finally:
            client.close()

    def step(self, client, numbers):
        kind = numbers.choices(["put", "get", "delete", "create", "swap", "list"], [25, 35, 12, 12, 12, 8])[0]
        key = numbers.randrange(KEYS)
        value, old, headers = None, None, {}
        body = b""
        if kind in ("put", "create", "swap"):
            value = next(self.values)
            body = self.body(value, numbers)
        if kind == "create":
            headers["if-none-match"] = "*"
        if kind == "swap":
            known = client.request("HEAD", f"/{BUCKET}/k{key}")
            if known.status != 200:
                return
            old = self.etags[known.headers["etag"].strip('"')]
            headers["if-match"] = known.headers["etag"]
        number = next(self.numbers)
        self.events.append(("call", number, Call(kind, key, value, old, UNANSWERED)))
        answer = self.send(client, kind, key, body, headers)
        if answer.status in (500, 503):  # it took effect by now, or never will
            self.events.append(("gone", number, Call(kind, key, value, old, UNANSWERED)))
            return
        self.events.append(("answer", number, Call(kind, key, value, old, self.result(kind, answer))))

    @staticmethod
    def send(client, kind, key, body, headers):
        if kind == "get":
            return client.get(BUCKET, f"k{key}")
        if kind == "delete":
            return client.delete(BUCKET, f"k{key}")
        if kind == "list":
            return client.request("GET", f"/{BUCKET}?list-type=2")
        return client.put(BUCKET, f"k{key}", body, headers)

    def result(self, kind, answer):
        if kind == "get":
            assert answer.status in (200, 404), answer
            if answer.status == 404:
                return None
            value = self.etags[sigv4.hashlib.md5(answer.body).hexdigest()]
            assert self.etags[answer.headers["etag"].strip('"')] == value
            return value
        if kind == "list":
            assert answer.status == 200, answer
            etags = (etag.replace("&quot;", "").replace("&#34;", "").strip('"') for etag in answer.fields("ETag"))
            shown = dict(zip(answer.fields("Key"), etags, strict=True))
            assert list(shown) == sorted(shown)
            return tuple(self.etags[shown[f"k{key}"]] if f"k{key}" in shown else None for key in range(KEYS))
        if kind == "delete":
            assert answer.status == 204, answer
            return True
        if answer.status == 409:
            return "raced"
        assert answer.status in ((200,) if kind == "put" else (200, 412, 404)), answer
        return answer.status == 200

    def run(self, steps, fault=None):
        """All clients until `steps` more calls are answered; `fault` is done half-way."""
        self.round += 1
        self.stopping.clear()
        begin = self.steps
        threads = [threading.Thread(target=self.client, args=(number,), daemon=True) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        busy = lambda: any(thread.is_alive() for thread in threads)  # noqa: E731
        witness.wait_until(lambda: self.steps >= begin + steps // 2 or not busy(), "half of the calls")
        if fault is not None:
            fault()
        witness.wait_until(lambda: self.steps >= begin + steps or not busy(), "the calls")
        self.stopping.set()
        for thread in threads:
            thread.join()
        assert not self.failures, self.failures

    def settle(self):
        """The process is gone, and with it what it had not answered."""
        answered = {number for what, number, _ in self.events if what != "call"}
        self.events += [("gone", number, call) for what, number, call in list(self.events)
                        if what == "call" and number not in answered]

    def explain(self):
        explain(self.events, KEYS)
        assert sum(what == "answer" for what, _, _ in self.events) > 0


@pytest.fixture
def recorder(server, seed):
    sigv4.Client(server.port, granary_server.MAIN).make_bucket(BUCKET)
    recorder = Recorder(server, seed)
    yield recorder
    recorder.stopping.set()


def test_concurrent_calls_have_one_order(recorder):
    recorder.run(2500)
    recorder.explain()


def test_one_order_beside_a_lost_drive(recorder, server):
    recorder.run(1500, lambda: shutil.rmtree(server.drives[1]))
    recorder.explain()


def test_one_order_across_kills(recorder, server):
    for _ in range(5):
        recorder.run(500, server.kill)
        recorder.settle()
        server.start()
    recorder.run(200)
    recorder.explain()
