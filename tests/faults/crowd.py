"""Many clients at once that do little: plain sockets in one thread, and what the server's process uses meanwhile."""

import contextlib
import os
import resource
import socket

import granary_server
import sigv4

ALLOWED_ABOVE = 200 << 20


def raise_file_limit(wanted):
    """How many sockets this process may have, at most `wanted`; some files are left for everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard - 200)
    if soft < wanted + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 200, hard))
    return wanted


def resident_bytes(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def check_memory(server):
    resident = resident_bytes(server)
    allowed = server.config["memory_bytes"] + ALLOWED_ABOVE
    assert 0 < resident < allowed, f"{resident >> 20} MiB resident, {allowed >> 20} MiB allowed"


def head_of(server, method, target, length=None, headers=None):
    """A signed request head as bytes; its payload is not signed."""
    signed, _ = sigv4.Signer(granary_server.MAIN).headers(method, target, f"127.0.0.1:{server.port}", headers,
                                                         payload_hash=sigv4.UNSIGNED)
    if length is not None:
        signed["content-length"] = str(length)
    return (f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in signed.items()) + "\r\n").encode()


def connect(server, receive_bytes=None):
    connection = socket.socket()
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))
    return connection


def read_answer(connection):
    """Status, headers and body of the one answer on a connection, read to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        assert piece, f"the connection ended after {data!r}"
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)):
        piece = connection.recv(65536)
        assert piece, "the connection ended inside the answer"
        body += piece
    return int(lines[0].split()[1]), headers, body


class Crowd:
    """Connections to one server that are closed together."""

    def __init__(self, server):
        self.server = server
        self.connections = []

    def add(self, count, receive_bytes=None):
        for _ in range(count):
            self.connections.append(connect(self.server, receive_bytes))
        return self.connections[-count:]

    def each(self, act):
        """Calls `act` on every connection; how many of them are gone. Those are not asked again."""
        left = []
        for connection in self.connections:
            try:
                act(connection)
                left.append(connection)
            except OSError:
                connection.close()
        gone = len(self.connections) - len(left)
        self.connections = left
        return gone

    def close(self):
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.close()
        self.connections = []


def trickle(connection):
    """Takes a little of an answer, without waiting for it."""
    connection.setblocking(False)
    try:
        if connection.recv(512) == b"":
            raise ConnectionResetError
    except BlockingIOError:
        pass


def size_of(name, otherwise):
    return int(os.environ.get(name, otherwise))
