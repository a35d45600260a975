"""What the benchmarks share: servers under measurement, the load generator, references, and the table."""
import datetime
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.join(ROOT, "build/bench")
LOAD = os.path.join(BIN, "benchmarks/bench_load")
KEYS = ["--access-key", "BENCHKEY", "--secret-key", "BENCHSECRET"]
S3, NGINX, EPOLL, S3_SMALL = 19000, 19080, 19090, 19100
MEMORY_SMALL = 256 << 20


def shell(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def prepare():
    script = f"cd {ROOT} && . tests/support/packages.sh && install_packages $BUILD_PACKAGES nginx-light fio openssl && build_preset bench granary bench_load bench_epoll_server bench_rocks_scan bench_fill_store"
    subprocess.run(["bash", "-c", script], check=True)


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"nothing listens on {port}")


class Process:
    """A server under measurement, with the CPU time of itself and its children."""

    def __init__(self, command, port, log):
        self.child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        wait_for(port)

    def pids(self):
        pids = [self.child.pid]
        for pid in pids:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    pids += [int(p) for p in file.read().split()]
        return pids

    def cpu_seconds(self):
        ticks = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        with open(f"/proc/{self.child.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) * 1024

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(15)
        except subprocess.TimeoutExpired:
            self.child.kill()


class Bench:
    def __init__(self, work, rounds, only):
        self.work, self.rounds, self.only = work, rounds, only
        self.log = open(os.path.join(work, "servers.log"), "w")
        self.rows = []
        self.notes = []

    def config(self, port, name, memory, capacity=6 << 30, **more):
        """Writes the configuration of a store with six directory drives; returns its path."""
        folder = os.path.join(self.work, name)
        config = {"listen": f"127.0.0.1:{port}", "memory_bytes": memory, "unsafe_anonymous_reads": True,
                  "admin_socket": os.path.join(self.work, name + ".sock"),
                  "drives": [{"path": f"{folder}/d{i}", "capacity_bytes": capacity} for i in range(1, 7)],
                  "users": [{"name": "bench", "id": "bench", "access_key": "BENCHKEY", "secret_key": "BENCHSECRET"}], **more}
        path = os.path.join(self.work, name + ".json")
        with open(path, "w") as file:
            json.dump(config, file)
        return path

    def granary(self, port, name, memory, **more):
        path = self.config(port, name, memory, **more)
        return Process([os.path.join(BIN, "granary"), "serve", "--config", path], port, self.log)

    def nginx(self):
        www = os.path.join(self.work, "www")
        os.makedirs(os.path.join(www, "put"), exist_ok=True)
        os.chmod(self.work, 0o755)
        config = os.path.join(self.work, "nginx.conf")
        with open(config, "w") as file:
            file.write(f"""user root; worker_processes 2; daemon off; pid {self.work}/nginx.pid; error_log {self.work}/nginx.log;
events {{ worker_connections 4096; }}
http {{ sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000; access_log off;
  open_file_cache max=12000 inactive=600s; open_file_cache_valid 600s;
  client_body_temp_path {self.work}/nginx-body; proxy_temp_path {self.work}/nginx-proxy;
  fastcgi_temp_path {self.work}/nginx-f; uwsgi_temp_path {self.work}/nginx-u; scgi_temp_path {self.work}/nginx-s;
  server {{ listen 127.0.0.1:{NGINX} reuseport backlog=4096; root {www}; client_max_body_size 0;
    client_body_buffer_size 128k; dav_methods PUT; create_full_put_path on; }} }}""")
        return Process(["nginx", "-c", config], NGINX, self.log)

    def load(self, *arguments):
        done = subprocess.run([LOAD] + [str(a) for a in arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"load {arguments}: {done.stdout} {done.stderr}")
        return json.loads(done.stdout or "{}")

    def timed_load(self, process, *arguments):
        before = process.cpu_seconds()
        result = self.load(*arguments)
        result["cpu_us"] = (process.cpu_seconds() - before) / max(1, result["requests"]) * 1e6
        return result

    def compare(self, what, reference_name, must, aim, store, reference, second=None, unit="req/s", inverse=False):
        """store() and reference() give dicts with per_second (or, inverse, seconds); second() another yardstick."""
        if self.only and self.only not in what:
            return
        ratios, seconds, store_values, reference_values, cpu = [], [], [], [], []
        for _ in range(self.rounds):
            ours = store()
            theirs = reference()
            value, base = ours["per_second"], theirs["per_second"]
            ratios.append(base / value if inverse else value / base)
            if second:
                seconds.append(value / second()["per_second"])
            store_values.append(value)
            reference_values.append(base)
            cpu.append(ours.get("cpu_us", 0))
        median = statistics.median
        ratio = median(ratios)
        verdict = ratio <= must if inverse else ratio >= must
        beside = ""
        if seconds:
            beside = f"{median(seconds):.2f} of bare epoll"
            verdict = verdict or median(seconds) >= 0.80
        row = [what, f"{median(store_values):,.0f} {unit}", f"{reference_name}: {median(reference_values):,.0f}",
               f"{ratio:.2f} ({min(ratios):.2f}-{max(ratios):.2f})", beside, f"{must}", f"{aim}",
               f"{median(cpu):.0f}" if any(cpu) else "", "yes" if verdict else "NO"]
        self.rows.append(row)
        print(" | ".join(row), flush=True)


def fio(work, **options):
    command = ["fio", "--name=x", f"--filename={work}/fio.dat", "--direct=1", "--time_based", "--norandommap", "--randrepeat=0",
               "--output-format=json"] + [f"--{k}={v}" for k, v in options.items()]
    return json.loads(shell(*command))["jobs"][0]


def md5_bytes_per_second():
    text = shell("openssl", "speed", "-evp", "md5", "-bytes", "1048576", "-seconds", "1")
    return float(re.findall(r"([\d.]+)k\s*$", text, re.M)[-1]) * 1000


def put_bucket(port, name):
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    host = f"127.0.0.1:{port}"
    headers = f"host:{host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{stamp}\n"
    names = "host;x-amz-content-sha256;x-amz-date"
    canonical = f"PUT\n/{name}\n\n{headers}\n{names}\nUNSIGNED-PAYLOAD"
    scope = f"{day}/us-east-1/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4BENCHSECRET"
    for part in (day, "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    request = urllib.request.Request(f"http://{host}/{name}", method="PUT", headers={
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": stamp,
        "Authorization": f"AWS4-HMAC-SHA256 Credential=BENCHKEY/{scope}, SignedHeaders={names}, Signature={signature}"})
    urllib.request.urlopen(request).read()


def describe():
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read()).group(1)
    memory = int(re.search(r"MemTotal:\s+(\d+)", open("/proc/meminfo").read()).group(1)) >> 20
    return f"{os.cpu_count()} cores of {model}, {memory} GiB, kernel {os.uname().release}, {time.strftime('%Y-%m-%d')}"
