"""A connection on which a test writes bytes as it likes and reads answers one by one."""

import base64
import binascii
import hashlib
import socket
import ssl

import granary_server
import sigv4

STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class Closed(Exception):
    """The connection ended before a whole answer; `data` is what came."""


class Wire:
    def __init__(self, port, certificate=None):
        self.host = f"127.0.0.1:{port}"
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if certificate:
            self.socket = ssl.create_default_context(cafile=certificate).wrap_socket(
                self.socket, server_hostname="127.0.0.1")
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            pass  # the answer came before the whole request was sent; the test reads it

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def _more(self):
        try:
            data = self.socket.recv(1 << 16)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        if not data:
            raise Closed(self.received)
        self.received += data

    def _head(self):
        while b"\r\n\r\n" not in self.received:
            self._more()
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {n.strip().lower(): v.strip() for n, v in (line.split(":", 1) for line in lines)}
        return int(status.split()[1]), headers

    def interim(self):
        """The status of an answer that has no body, as 100 Continue."""
        return self._head()[0]

    def answer(self, method="GET"):
        """The next final answer. Its body is by Content-Length: the store sends nothing else."""
        status, headers = self._head()
        if method == "HEAD" or status in (204, 304):
            return sigv4.Answer(status, headers, b"")
        length = int(headers["content-length"])
        while len(self.received) < length:
            self._more()
        body, self.received = self.received[:length], self.received[length:]
        return sigv4.Answer(status, headers, body)

    def ended(self):
        """True if the store closes the connection without another byte."""
        try:
            self._more()
        except Closed as closed:
            return not closed.args[0]
        return False


def head_bytes(method, target, headers, version="HTTP/1.1"):
    lines = [f"{method} {target} {version}"] + [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"


def signed_head(wire, method, target, headers=None, payload_hash=sigv4.EMPTY_SHA256, unsigned=(), signer=None,
                version="HTTP/1.1"):
    """A request head signed over `headers`; `unsigned` are (name, value) pairs that are added afterwards."""
    signer = signer or sigv4.Signer(granary_server.MAIN)
    signed, _ = signer.headers(method, target, wire.host, headers, payload_hash)
    return head_bytes(method, target, [*signed.items(), *unsigned], version)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def crc32(data):
    return base64.b64encode(binascii.crc32(data).to_bytes(4, "big")).decode()


def chunks(data, size):
    return [data[i:i + size] for i in range(0, len(data), size)]


def unsigned_chunks(data, size=65536, trailer=b"", last=b"0\r\n"):
    body = b"".join(f"{len(c):x}\r\n".encode() + c + b"\r\n" for c in chunks(data, size))
    return body + last + trailer + b"\r\n"


class SignedStream:
    """A PUT with signed chunks; each piece of it can be spoiled by the test."""

    def __init__(self, wire, target, data, size=65536, trailer=None, headers=None):
        self.signer = sigv4.Signer(granary_server.MAIN)
        kind = STREAMING_TRAILER if trailer else STREAMING
        self.pieces = []
        sent = {"x-amz-decoded-content-length": str(len(data)), **(headers or {})}
        if trailer:
            sent["x-amz-trailer"] = trailer[0]
        signed, previous = self.signer.headers("PUT", target, wire.host, sent, kind)
        for chunk in [*chunks(data, size), b""]:
            previous = self.signer.chunk_signature(previous, chunk)
            piece = f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk
            self.pieces.append(piece + (b"\r\n" if chunk else b""))
        if trailer:
            line = f"{trailer[0]}:{trailer[1]}\n".encode()
            signature = self.signer.trailer_signature(previous, line)
            self.pieces.append(line.replace(b"\n", b"\r\n") + f"x-amz-trailer-signature:{signature}\r\n".encode())
        self.pieces.append(b"\r\n")
        self.target, self.signed = target, signed

    def body(self):
        return b"".join(self.pieces)

    def head(self, length=None):
        length = len(self.body()) if length is None else length
        return head_bytes("PUT", self.target, [*self.signed.items(), ("content-length", str(length))])
