"""What upkeep costs clients, and how fast it is alone: the rows of `benchmarks/run upkeep`."""
import http.client
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import time

from measure import BIN, KEYS, S3, fio, put_bucket

SIZE = 51200
MEMORY = 1 << 30
FILL_KEYS = 80_000          # 4 GB of bodies, 6 GB on the drives
SMALL_CAPACITY = 512 << 20  # drives that overwrites fill quickly
START_LIMIT_S = 5


class Admin(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def ask(bench, name, path, method="GET", body=None):
    connection = Admin(os.path.join(bench.work, name + ".sock"))
    connection.request(method, path, body=json.dumps(body) if body is not None else None)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def wait_until(condition, what, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"still waiting for {what}")
        time.sleep(0.05)


def report(bench, what, pairs, must=0.7, p99_max=3):
    """`pairs`: (with upkeep, without) results of one load. Both the rate and the p99 have to hold."""
    rate = statistics.median(busy["per_second"] / idle["per_second"] for busy, idle in pairs)
    p99 = statistics.median(busy["p99_us"] / idle["p99_us"] for busy, idle in pairs)
    busy, idle = pairs[len(pairs) // 2]
    spread = sorted(b["per_second"] / i["per_second"] for b, i in pairs)
    add_row(bench, what, f"{busy['per_second']:,.0f} req/s", f"own, idle: {idle['per_second']:,.0f}",
            f"{rate:.2f} ({spread[0]:.2f}-{spread[-1]:.2f})", f"p99 x {p99:.1f}, at most {p99_max}", must, rate >= must and p99 <= p99_max)


def add_row(bench, what, value, reference, ratio, beside, must, reached):
    row = [what, value, reference, ratio, beside, f"{must}", "", "", "yes" if reached else "NO"]
    bench.rows.append(row)
    print(" | ".join(row), flush=True)


def loads(bench, keys):
    def get():
        return bench.load("get", "--port", S3, "--prefix", "/bench/u-", "--size", SIZE, "--keys", keys, "--seconds", 2)

    def put():
        return bench.load("put", "--port", S3, "--prefix", "/bench/w-", "--size", SIZE, "--keys", 2000, "--seconds", 2, *KEYS)
    return (("GET 50 KB", get), ("PUT 50 KB", put))


def fill(bench, keys, prefix="u-"):
    put_bucket(S3, "bench")
    bench.load("fill", "--port", S3, "--prefix", f"/bench/{prefix}", "--size", SIZE, "--keys", keys, *KEYS)


def beside_scrub(bench):
    store = bench.granary(S3, "scrub", MEMORY)
    try:
        fill(bench, FILL_KEYS)
        for name, load in loads(bench, FILL_KEYS):
            pairs = []
            for _ in range(bench.rounds):
                idle = load()
                ask(bench, "scrub", "/v1/scrub", "POST", {})
                busy = load()
                if not ask(bench, "scrub", "/v1/scrub")["running"]:
                    raise RuntimeError("the scrub ended before the load: fill more")
                pairs.append((busy, idle))
                wait_until(lambda: not ask(bench, "scrub", "/v1/scrub")["running"], "the scrub")
            report(bench, f"{name} beside a scrub", pairs)
        # Alone: what it reads over what fio reads.
        ratios, speeds, references = [], [], []
        for _ in range(bench.rounds):
            begin = time.monotonic()
            ask(bench, "scrub", "/v1/scrub", "POST", {})
            wait_until(lambda: not ask(bench, "scrub", "/v1/scrub")["running"], "the scrub")
            speeds.append(ask(bench, "scrub", "/v1/scrub")["bytes"] / (time.monotonic() - begin) / 1e6)
            job = fio(bench.work, rw="read", bs="1m", size="3G", ioengine="io_uring", iodepth=8, runtime=2)
            references.append(job["read"]["bw_bytes"] / 1e6)
            ratios.append(speeds[-1] / references[-1])
        ratio = statistics.median(ratios)
        add_row(bench, "scrub alone", f"{statistics.median(speeds):,.0f} MB/s", f"fio 1 MiB read: {statistics.median(references):,.0f}",
                f"{ratio:.2f} ({min(ratios):.2f}-{max(ratios):.2f})", "", 0.6, ratio >= 0.6)
    finally:
        store.stop()
        shutil.rmtree(os.path.join(bench.work, "scrub"), ignore_errors=True)


def beside_rebuild(bench):
    """Each round takes a drive away, and a blank one takes its place once its shards lie elsewhere."""
    store = bench.granary(S3, "rebuild", MEMORY, upkeep={"rebuild_grace_seconds": 1})

    def rebuild():
        return ask(bench, "rebuild", "/v1/status")["rebuild"]

    def lose(number, path):
        shutil.rmtree(path)
        wait_until(lambda: rebuild()["state"] == "working", "the rebuild")

    def whole():
        now = rebuild()
        return now["segments_left"] == 0 and now["segments_degraded"] == 0

    def renew(number, path):
        wait_until(whole, "the end of the rebuild")
        ask(bench, "rebuild", f"/v1/drives/{number}/replace", "POST", {"path": path, "capacity_bytes": 6 << 30})

    try:
        fill(bench, FILL_KEYS)
        folder = os.path.join(bench.work, "rebuild")
        paths = [f"{folder}/d{i}" for i in range(1, 7)]
        # The drive that has been there for longest goes each time: a new one holds nothing before the next is lost.
        number = 0
        alone = []
        for name, load in (*loads(bench, FILL_KEYS), ("alone", None)):
            pairs = []
            for _ in range(bench.rounds if load else min(3, bench.rounds)):
                idle = load() if load else None
                before = rebuild()["bytes"]
                lose(number, paths[number])
                begin = time.monotonic()
                if load:
                    busy = load()
                    if whole():
                        raise RuntimeError("the rebuild ended before the load: fill more")
                    pairs.append((busy, idle))
                wait_until(whole, "the end of the rebuild")
                if not load:
                    job = fio(bench.work, rw="write", bs="1m", size="2G", ioengine="io_uring", iodepth=8, sync="dsync", runtime=2)
                    # A shard that is written is k that are read.
                    moved = (rebuild()["bytes"] - before) / (time.monotonic() - begin - 2) / 1e6
                    alone.append((moved, job["write"]["bw_bytes"] / 1e6))
                paths.append(f"{folder}/d{len(paths) + 1}")
                renew(number, paths[-1])
                number += 1
            if load:
                report(bench, f"{name} beside a rebuild", pairs)
        ratios = [ours / theirs for ours, theirs in alone]
        ratio = statistics.median(ratios)
        add_row(bench, "rebuild alone", f"{statistics.median(o for o, _ in alone):,.0f} MB/s",
                f"fio 1 MiB O_DSYNC write: {statistics.median(t for _, t in alone):,.0f}",
                f"{ratio:.2f} ({min(ratios):.2f}-{max(ratios):.2f})", "", 0.6, ratio >= 0.6)
    finally:
        store.stop()
        shutil.rmtree(os.path.join(bench.work, "rebuild"), ignore_errors=True)


def beside_collector(bench):
    """Overwrites on a store at four fifths of its zones: all that is written has to be collected first."""
    store = bench.granary(S3, "collector", MEMORY, capacity=SMALL_CAPACITY)
    try:
        fill(bench, 4000, "c-")
        overwrite = ["put", "--port", S3, "--prefix", "/bench/c-", "--size", SIZE, *KEYS]
        read = ["get", "--port", S3, "--prefix", "/bench/c-", "--size", SIZE, "--keys", 4000]
        idle_puts = [bench.load(*overwrite, "--keys", 4000, "--seconds", 1) for _ in range(3)]
        keys = 4000
        space = ask(bench, "collector", "/v1/status")["space"]
        while space["zones_free"] > space["zones_total"] // 5:
            keys += 2000
            bench.load("fill", "--port", S3, "--prefix", "/bench/c-", "--size", SIZE, "--keys", keys, *KEYS)
            space = ask(bench, "collector", "/v1/status")["space"]
            if keys > 60_000:
                break
        bench.load(*overwrite, "--keys", keys, "--seconds", 5)
        idle_reads = [bench.load(*read, "--seconds", 2) for _ in range(bench.rounds)]
        idle = sorted(idle_puts, key=lambda each: each["per_second"])[1]
        before = ask(bench, "collector", "/v1/status")["collector"]
        puts, gets = [], []
        for number in range(bench.rounds):
            puts.append((bench.load(*overwrite, "--keys", keys, "--seconds", 4), idle))
            # The collector is still at work on what those left behind.
            gets.append((bench.load(*read, "--seconds", 2), idle_reads[number]))
        after = ask(bench, "collector", "/v1/status")["collector"]
        moved, freed = (after[name] - before[name] for name in ("moved_bytes", "freed_bytes"))
        if freed == 0:
            raise RuntimeError("nothing was collected")
        report(bench, "PUT 50 KB beside the collector", puts)
        report(bench, "GET 50 KB beside the collector", gets)
        bench.notes.append(f"The collector moved {moved / freed:.1f} payload bytes for each that it freed")
        print(bench.notes[-1])
    finally:
        store.stop()
        shutil.rmtree(os.path.join(bench.work, "collector"), ignore_errors=True)


def starts(bench):
    """The time from the process's start to its first answer after kill -9, with few and with many objects."""
    times = []
    for keys in (1_000_000, 5_000_000):
        name = f"start{keys}"
        path = bench.config(S3, name, 2 << 30)
        subprocess.run([os.path.join(BIN, "benchmarks/bench_fill_store"), path, "bench", str(keys)], check=True, stderr=bench.log)
        seconds = []
        for _ in range(3):
            store = bench.granary(S3, name, 2 << 30)
            bench.load("put", "--port", S3, "--prefix", "/bench/s-", "--size", SIZE, "--keys", 500, "--seconds", 1, *KEYS)
            store.child.kill()
            store.child.wait()
            begin = time.monotonic()
            store = bench.granary(S3, name, 2 << 30)
            seconds.append(time.monotonic() - begin)
            store.stop()
        times.append(statistics.median(seconds))
        add_row(bench, f"start after kill -9, {keys:,} objects", f"{times[-1]:.1f} s", "", "", "", f"{START_LIMIT_S} s", times[-1] < START_LIMIT_S)
        shutil.rmtree(os.path.join(bench.work, name), ignore_errors=True)


def measure(bench):
    for word, rows in (("scrub", beside_scrub), ("rebuild", beside_rebuild), ("collector", beside_collector), ("start", starts)):
        if not bench.only or bench.only in word:
            rows(bench)
