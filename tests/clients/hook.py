"""A webhook that keeps what it is sent: /good takes all, /STATUS/N refuses the first N calls with that status."""

import http.server
import json
import ssl
import threading
import time


class Hook:
    def __init__(self, port=0, certificate=None, key=None):
        self.calls, self.refused, self.lock = [], 0, threading.Lock()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = hook.judge(self.path, dict(self.headers), body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def judge(self, path, headers, body):
        words = path.strip("/").split("/")
        with self.lock:
            if len(words) == 2 and self.refused < int(words[1]):
                self.refused += 1
                return int(words[0])
            self.calls.append((path, headers, json.loads(body)))
            return 200

    def messages(self):
        with self.lock:
            return [message for _, _, message in self.calls]

    def records(self):
        return [record for message in self.messages() for record in message.get("Records", [])]

    def names(self):
        return [(record["eventName"], record["s3"]["object"]["key"]) for record in self.records()]

    def wait(self, condition, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s; the hook has {self.names()}"
            time.sleep(0.02)  # between two looks at a condition that has a deadline

    def close(self):
        self.server.shutdown()
        self.server.server_close()
