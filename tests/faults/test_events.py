"""Events of acknowledged changes reach their target at least once: across kill -9, a target that is away, and one that refuses."""

import json
import sys
import threading

import pytest

import granary_server
import sigv4
from hook import Hook
from witness import wait_until

BUCKET = "told"
CONFIGURATION = """<NotificationConfiguration>
<QueueConfiguration><Queue>arn:granary:sqs::hook:webhook</Queue><Event>s3:ObjectCreated:*</Event>
<Filter><S3Key><FilterRule><Name>prefix</Name><Value>h</Value></FilterRule></S3Key></Filter></QueueConfiguration>
<QueueConfiguration><Queue>arn:granary:sqs::lines:directory</Queue><Event>s3:ObjectCreated:*</Event>
<Filter><S3Key><FilterRule><Name>prefix</Name><Value>d</Value></FilterRule></S3Key></Filter></QueueConfiguration>
</NotificationConfiguration>"""


class Writers:
    """Threads that put until the store is gone; what was acknowledged is kept."""

    def __init__(self, server, round_number):
        self.acknowledged, self.lock = set(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(server, f"{round_number}-{i}")) for i in range(4)]
        for thread in self.threads:
            thread.start()

    def run(self, server, name):
        client = sigv4.Client(server.port, granary_server.MAIN)
        number = 0
        while True:
            number += 1
            key = f"{'h' if number % 2 else 'd'}-{name}-{number}"
            try:
                if client.put(BUCKET, key, b"x").status != 200:
                    return
            except (OSError, sigv4.http.client.HTTPException):
                return
            with self.lock:
                self.acknowledged.add(key)

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def join(self):
        for thread in self.threads:
            thread.join()
        return self.acknowledged


def lines_of(folder):
    keys = set()
    for file in folder.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            keys |= {record["s3"]["object"]["key"] for record in json.loads(line).get("Records", [])}
    return keys


def test_kills_lose_no_event(make_server, seed):
    hook = Hook()
    port = hook.port
    folder = granary_server.work_folder()
    server = make_server(settings={"notifications": {"webhooks": {"hook": {"url": f"http://127.0.0.1:{port}/500/5"}},
                                                     "directories": {"lines": str(folder)}}}).start()
    try:
        client = sigv4.Client(server.port, granary_server.MAIN)
        assert client.request("PUT", f"/{BUCKET}").status == 200
        assert client.request("PUT", f"/{BUCKET}?notification", CONFIGURATION.encode()).status == 200
        acknowledged = set()
        for round_number in range(4):
            writers = Writers(server, round_number)
            wait_until(lambda w=writers: w.count() >= 100, "a hundred writes")
            if round_number == 1:
                hook.close()  # nobody there any more
            server.kill()
            acknowledged |= writers.join()
            server.start()
            if round_number == 2:
                kept = hook
                hook = Hook(port=port)
                hook.calls, hook.refused = kept.calls, 5
        expected = {key for key in acknowledged if key.startswith("h")}
        wait_until(lambda: expected <= {key for _, key in hook.names()}, "the events of all acknowledged writes")
        wait_until(lambda: acknowledged - expected <= lines_of(folder), "their lines")
        wait_until(lambda: server.metrics()['api_events_queued{target="hook"}'] == 0, "an empty queue")
        server.stop()
        assert server.log_lines("error") == []
    finally:
        hook.close()
