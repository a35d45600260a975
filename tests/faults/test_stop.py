"""SIGTERM, SIGTERM again, SIGSTOP: what runs ends well, what stalls is cut, and nothing that was acknowledged is lost."""

import signal
import time

import crowd
import granary_server
import pytest
import sigv4
from witness import BUCKET, NOISE, sha, wait_until

STOP_SECONDS = 30  # more than the store promises: a busy machine is no failure
STANDSTILL_SECONDS = 10


def ended(process, seconds=STOP_SECONDS):
    return process.wait(seconds)


def start_upload(server, key, length, sent):
    connection = crowd.connect(server)
    connection.sendall(crowd.head_of(server, "PUT", f"/{BUCKET}/{key}", length) + sent)
    return connection


def in_flight(server):
    """Requests that hold memory."""
    return server.metrics()['memory_used_bytes{user="requests"}'] > 0


def test_a_running_upload_ends_and_new_requests_are_refused(server, load):
    body = NOISE[:2_000_000]
    upload = start_upload(server, "running", len(body), body[:1_000_000])
    wait_until(lambda: in_flight(server), "the upload")
    kept = sigv4.Client(server.port, granary_server.MAIN)
    assert kept.get(BUCKET, "absent").status == 404
    process, server.process = server.process, None
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: any("stopping" in line for line in server.log_lines("info")), "the stop")
    fresh = sigv4.Client(server.port, granary_server.MAIN)
    for client in (fresh, kept):
        answer = client.get(BUCKET, "absent")
        assert (answer.status, answer.code) == (503, "ServiceUnavailable"), answer
        assert answer.headers["connection"] == "close" and "retry-after" in answer.headers
    upload.sendall(body[1_000_000:])
    status, headers, _ = crowd.read_answer(upload)
    assert status == 200 and headers["connection"] == "close"
    assert ended(process) == 0
    server.start()
    assert sha(sigv4.Client(server.port, granary_server.MAIN).get(BUCKET, "running").body) == sha(body)
    server.stop()


def test_stalled_bodies_are_cut(server, load):
    """Small, large, chunked, of a part, and of a reader that takes nothing."""
    client = sigv4.Client(server.port, granary_server.MAIN)
    assert client.put(BUCKET, "big", NOISE * 4).status == 200
    upload = client.request("POST", f"/{BUCKET}/parts?uploads").field("UploadId")
    client.close()
    stalled = [start_upload(server, "small", 50_000, b"x"), start_upload(server, "large", 50 << 20, NOISE[:3 << 20])]
    part = crowd.connect(server)
    part.sendall(crowd.head_of(server, "PUT", f"/{BUCKET}/parts?partNumber=1&uploadId={upload}", 6 << 20) + NOISE[:1 << 20])
    chunked = crowd.connect(server)
    chunked.sendall(crowd.head_of(server, "PUT", f"/{BUCKET}/chunked", None, {"transfer-encoding": "chunked"}) + b"10\r\nabc")
    reader = crowd.connect(server, receive_bytes=16384)
    reader.sendall(crowd.head_of(server, "GET", f"/{BUCKET}/big"))
    stalled += [part, chunked, reader]
    wait_until(lambda: in_flight(server), "the uploads")
    process, server.process = server.process, None
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 0
    for connection in stalled:
        connection.close()
    server.start()
    client = sigv4.Client(server.port, granary_server.MAIN)
    for key in ("small", "large", "chunked"):
        assert client.get(BUCKET, key).status == 404
    assert client.request("PUT", f"/{BUCKET}/parts?partNumber=1&uploadId={upload}", NOISE[:1 << 20]).status == 200
    client.close()
    server.stop()
    assert server.log_lines("error") == [] or all("answer_cut_short" in line for line in server.log_lines("error"))


def test_a_second_signal_ends_it_at_once(server, load):
    load.start()
    load.wait_for_steps(100)
    stalled = start_upload(server, "stalled", 50_000, b"x")
    wait_until(lambda: in_flight(server), "the upload")

    def stop_twice():
        process, server.process = server.process, None
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: any("stopping" in line for line in server.log_lines("info")), "the stop")
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 1
    load.crash(stop_twice)
    stalled.close()
    server.start()
    load.check()
    server.stop()


@pytest.mark.parametrize("seconds", [STANDSTILL_SECONDS])
def test_standstill_under_load(server, load, seconds):
    """SIGSTOP and SIGCONT: no client, drive or mirror is given up for what the process itself missed."""
    stalled = start_upload(server, "stalled", 50_000, b"x" * 20_000)
    load.start()
    load.wait_for_steps(150)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)  # the standstill itself
    server.process.send_signal(signal.SIGCONT)
    load.wait_for_steps(100)
    load.finish()
    load.check()
    stalled.sendall(b"y" * 30_000)
    assert crowd.read_answer(stalled)[0] == 200
    stalled.close()
    assert server.log_lines("warn") + server.log_lines("error") == []
    server.stop()
