"""kill -9 and SIGTERM under load: what was acknowledged is there afterwards, whole."""

import random
import socket

import granary_server
import sigv4
from witness import wait_until

CYCLES = 20


def test_twenty_kills_under_load(server, load, seed):
    numbers = random.Random(seed)
    for _ in range(CYCLES):
        load.start()
        load.wait_for_steps(numbers.randrange(20, 250))
        load.crash(server.kill)
        server.start()
        load.check()
    server.stop()
    assert server.log_lines("error") == []


def test_kill_during_recovery(server, load, seed):
    """The store is killed while it starts, at a moment that its log gives, and then starts for good."""
    numbers = random.Random(seed)
    load.start()
    load.wait_for_steps(200)
    load.crash(server.kill)
    for _ in range(6):
        before = len(server.log_text().splitlines())
        server.process = server.spawn()
        lines = numbers.randrange(1, 4)
        wait_until(lambda: len(server.log_text().splitlines()) >= before + lines or not server.alive(),
                           "the start")
        server.kill()
    server.start()
    load.check()
    server.stop()


def test_sigterm_under_load(server, load):
    for _ in range(3):
        load.start()
        load.wait_for_steps(150)
        load.crash(server.stop)
        server.start()
        load.check()
    server.stop()
    assert server.log_lines("error") == []


def test_restarts_keep_everything(server, load):
    load.start()
    load.wait_for_steps(300)
    load.finish()
    for _ in range(3):
        load.check()
        server.stop()
        server.start()
    load.check()
    server.stop()


def test_stop_right_after_the_start(server):
    for _ in range(5):
        server.stop()
        server.start()
    server.stop()


def test_idle_connections_do_not_hold_a_stop(server):
    """Plain and TLS, unused and used before; a stop that had to cut them says so in the log."""
    clients = [sigv4.Client(server.port, granary_server.MAIN),
               sigv4.Client(server.tls_port, granary_server.MAIN, server.certificate)]
    for client in clients:
        assert client.request("GET", "/").status == 200
    unused = [socket.create_connection(("127.0.0.1", port)) for port in (server.port, server.tls_port)]
    server.stop()
    for connection in [*unused, *clients]:
        connection.close()
    assert not any("sessions_cut" in line for line in server.log_lines("warn")), server.log_tail()
