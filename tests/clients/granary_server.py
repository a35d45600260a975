"""A granary process on directory drives of its own, and the paths of everything a test needs to reach it."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

MAIN = ("MAINKEY0123456789", "main-secret-0123456789abcdef0123456789")
OTHER = ("OTHERKEY012345678", "other-secret-0123456789abcdef012345678")
REGION = "us-east-1"
READY_SECONDS = 60
STOP_SECONDS = 10
PORTS_FIRST = 20000
PORTS_LAST = 32000


class ServerFailed(AssertionError):
    """The process did not do what it was asked; the text ends with the tail of its log."""


def work_folder():
    """A folder on a real disk: drives are opened with O_DIRECT, which tmpfs refuses."""
    base = os.environ.get("GRANARY_TEST_FOLDER", "/var/tmp")
    return pathlib.Path(tempfile.mkdtemp(prefix="granary-test-", dir=base))


def free_port():
    """A port that is free now, below the range from which the kernel takes those of outgoing connections, so that no
    connection of a client lands on it while the server is being restarted."""
    start = int.from_bytes(os.urandom(2), "big")
    span = PORTS_LAST - PORTS_FIRST
    for i in range(span):
        port = PORTS_FIRST + (start + i) % span
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerFailed("no port is free")


def make_certificate(folder):
    """A self-made certificate for localhost that is its own authority."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate),
         "-addext", "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1",
         "-addext", "basicConstraints=critical,CA:TRUE"],
        check=True, capture_output=True)
    return certificate, key


class GranaryServer:
    """One store. start() waits until it is ready; stop() sends SIGTERM and requires exit code 0."""

    def __init__(self, program, folder, drives=6, capacity_bytes=1 << 30, settings=None):
        self.program = pathlib.Path(program).resolve()
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.drives = [self.folder / f"d{i + 1}" for i in range(drives)]
        self.certificate, key = make_certificate(self.folder)
        self.port, self.tls_port, self.admin_port = free_port(), free_port(), free_port()
        self.config = {
            "listen": f"127.0.0.1:{self.port}",
            "tls": {"listen": f"127.0.0.1:{self.tls_port}", "certificate": str(self.certificate), "key": str(key)},
            "admin_listen": f"127.0.0.1:{self.admin_port}",
            "admin_socket": str(self.folder / "admin.sock"),
            "region": REGION,
            "drives": [{"path": str(d), "capacity_bytes": capacity_bytes} for d in self.drives],
            "memory_bytes": 1 << 30,
            "users": [
                {"name": "main", "id": "main", "email": "main@example.com",
                 "access_key": MAIN[0], "secret_key": MAIN[1]},
                {"name": "other", "id": "other", "email": "other@example.com",
                 "access_key": OTHER[0], "secret_key": OTHER[1]},
            ],
            **(settings or {}),
        }
        self.config_file = self.folder / "granary.json"
        self.log_file = self.folder / "granary.log"
        self.process = None

    def write_config(self):
        self.config_file.write_text(json.dumps(self.config, indent=1))

    def spawn(self, log=None):
        """Starts the process without waiting for it; its log is appended to `log`."""
        self.write_config()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GRANARY_")}
        with open(log or self.log_file, "ab") as output:
            return subprocess.Popen(
                [str(self.program), "serve", "--config", str(self.config_file)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)

    def start(self):
        self.process = self.spawn()
        deadline = time.monotonic() + READY_SECONDS
        while not self.ready():
            if self.process.poll() is not None:
                raise ServerFailed(f"the store ended with {self.process.returncode} at its start\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.process.kill()
                raise ServerFailed(f"the store is not ready after {READY_SECONDS} s\n{self.log_tail()}")
            time.sleep(0.02)  # between two polls of a condition that has a deadline
        return self

    def ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/.granary/health/ready")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    def command(self, *words, expect=0):
        """One of the operator's commands; its JSON. `expect` is the exit code."""
        done = subprocess.run([str(self.program), *map(str, words), "--admin", self.config["admin_socket"], "--json"],
                              capture_output=True, text=True)
        if done.returncode != expect:
            raise ServerFailed(f"granary {' '.join(map(str, words))} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return json.loads(done.stdout) if done.stdout else done.stderr

    def stop(self):
        """SIGTERM, exit code 0, within the time that the store promises."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ServerFailed(f"SIGTERM did not stop the store in {STOP_SECONDS} s\n{self.log_tail()}") from None
        if code != 0:
            raise ServerFailed(f"the store ended with {code} after SIGTERM\n{self.log_tail()}")

    def kill(self):
        """kill -9, as a power cut looks to the process."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def log_tail(self, lines=30):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def log_lines(self, level):
        """Lines of a level: `time level event key=value ...`."""
        lines = []
        for line in self.log_text().splitlines():
            words = line.split(maxsplit=2)
            if len(words) > 1 and words[1] == level:
                lines.append(line)
        return lines

    def metrics(self):
        """The samples of the admin port: {"name{labels}": value}."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            assert response.status == 200, response.status
            text = response.read().decode()
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def url(self, scheme="http", host="127.0.0.1"):
        return f"http://{host}:{self.port}" if scheme == "http" else f"https://{host}:{self.tls_port}"

    def discard(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
