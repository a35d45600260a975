"""Memory: a thousand connections of mixed load stay below memory_bytes plus 200 MiB.

The load is bounded by requests, not by time. For hours: tests/faults/run PROGRAM test_memory.py with
GRANARY_SOAK_REQUESTS=10000000.
"""

import asyncio
import contextlib
import hashlib
import os
import random
import re

import granary_server
import sigv4

CONNECTIONS = 1000
MEMORY_BYTES = 256 << 20
ALLOWED_ABOVE = 200 << 20
CUT = "cut"  # a client that came too slowly to its turn, while memory was short
SIZES = [0, 100, 4096, 50_000, 300_000, 1 << 20, 3_000_000]


def content(number):
    return random.Random(number).randbytes(SIZES[number % len(SIZES)])


def resident_bytes(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def request(signer, server, method, key, body=b""):
    target = f"/soak/{key}"
    headers, _ = signer.headers(method, target, f"127.0.0.1:{server.port}", payload_hash=sigv4.UNSIGNED)
    if method == "PUT":
        headers["content-length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split()[1])
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, await reader.readexactly(length)


def code_of(body):
    found = re.search(rb"<Code>([^<]*)</Code>", body)
    return found.group(1).decode() if found else None


class Soak:
    def __init__(self, server, requests):
        self.server, self.left = server, requests
        self.signer = sigv4.Signer(granary_server.MAIN)
        self.stored = set()
        self.peak = 0
        self.statuses = {}
        self.codes = set()

    async def client(self, number):
        chooser = random.Random(number)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=1 << 20)
        while self.left > 0:
            self.left -= 1
            key = chooser.randrange(2000)
            put = key not in self.stored or chooser.random() < 0.3
            writer.write(request(self.signer, self.server, "PUT", key, content(key)) if put
                         else request(self.signer, self.server, "GET", key))
            with contextlib.suppress(ConnectionError):  # the answer may be there all the same
                await writer.drain()
            try:
                status, body = await answer(reader)
            except (asyncio.IncompleteReadError, ConnectionResetError):
                status, body = CUT, b""
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if put and status == 200:
                self.stored.add(key)
            elif not put and status == 200:
                assert hashlib.sha256(body).digest() == hashlib.sha256(content(key)).digest(), f"key {key}"
            if status not in (200, CUT):
                self.codes.add(code_of(body))
            if status != 200:  # overload is an honest answer; the connection may be closed behind it
                reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=1 << 20)
            self.peak = max(self.peak, resident_bytes(self.server)) if self.left % 50 == 0 else self.peak
        writer.close()

    async def run(self):
        await asyncio.gather(*(self.client(i) for i in range(CONNECTIONS)))


def test_a_thousand_connections_stay_within_the_budget(program, tmp_path_factory):
    folder = granary_server.work_folder()
    server = granary_server.GranaryServer(program, folder, capacity_bytes=4 << 30, settings={"memory_bytes": MEMORY_BYTES})
    try:
        server.start()
        sigv4.Client(server.port, granary_server.MAIN).make_bucket("soak")
        soak = Soak(server, int(os.environ.get("GRANARY_SOAK_REQUESTS", "5000")))
        asyncio.run(soak.run())
        assert set(soak.statuses) <= {200, 503, CUT}, soak.statuses
        assert soak.codes <= {"SlowDown"}, soak.codes
        assert soak.statuses.get(CUT, 0) <= sum(soak.statuses.values()) // 500, soak.statuses
        assert soak.statuses[200] > sum(soak.statuses.values()) * 0.9, soak.statuses
        assert 0 < soak.peak < MEMORY_BYTES + ALLOWED_ABOVE, f"{soak.peak >> 20} MiB"
        server.stop()
        assert server.log_lines("error") == []
    finally:
        server.discard()
