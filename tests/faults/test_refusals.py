"""What must stop a start: one sentence that says what to do, a non-zero exit, and nothing changed."""

import shutil

import granary_server
import pytest
import sigv4
from witness import BUCKET

START_SECONDS = 30


def refusal(server):
    """Starts a store that must not start; the sentence that it ends with."""
    log = server.folder / "refused.log"
    log.write_bytes(b"")
    process = server.spawn(log)
    try:
        code = process.wait(START_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert code > 0, f"exit code {code}: {log.read_text()}"
    sentences = [line for line in log.read_text().splitlines() if line.startswith("granary: ")]
    assert len(sentences) == 1, log.read_text()
    assert len(sentences[0]) > 25 and "Traceback" not in sentences[0]
    return sentences[0]


def test_second_process_on_the_same_drives(server, load):
    load.start()
    load.wait_for_steps(50)
    second = granary_server.GranaryServer(server.program, server.folder / "second")
    second.config["drives"] = server.config["drives"]
    assert "d1" in refusal(second)
    load.wait_for_steps(50)
    load.finish()
    load.check()
    server.stop()


def test_drive_of_another_store(make_server):
    one, two = make_server().start(), make_server().start()
    client = sigv4.Client(two.port, granary_server.MAIN)
    client.make_bucket(BUCKET)
    assert client.put(BUCKET, "k", b"two").status == 200
    client.close()
    one.stop()
    two.stop()
    mixed = granary_server.GranaryServer(one.program, one.folder / "mixed")
    mixed.config["drives"] = one.config["drives"][:5] + two.config["drives"][5:]
    assert "d6" in refusal(mixed)
    one.start()
    one.stop()
    two.start()
    client = sigv4.Client(two.port, granary_server.MAIN)
    assert client.get(BUCKET, "k").body == b"two"
    client.close()
    two.stop()


def test_a_second_copy_of_a_drive(make_server):
    server = make_server().start()
    server.stop()
    shutil.copytree(server.drives[0], server.folder / "copy")
    server.config["drives"][5] = {"path": str(server.folder / "copy"), "capacity_bytes": 512 << 20}
    assert "copy" in refusal(server) or "d1" in refusal(server)


def replaced(config, **changes):
    return {**config, **changes}


@pytest.mark.parametrize("change,word", [
    (lambda c: replaced(c, lisen="127.0.0.1:1"), "lisen"),
    (lambda c: replaced(c, listen="nonsense"), "nonsense"),
    (lambda c: replaced(c, listen=7), "listen"),
    (lambda c: replaced(c, memory_bytes=1), "memory_bytes"),
    (lambda c: replaced(c, memory_bytes="much"), "memory_bytes"),
    (lambda c: replaced(c, drives=[]), "drive"),
    (lambda c: replaced(c, users=[]), "user"),
    (lambda c: replaced(c, drives=[{"path": "/proc/none"}]), "/proc/none"),
    (lambda c: replaced(c, drives=c["drives"] + [c["drives"][0]]), "d1"),
    (lambda c: replaced(c, tls=replaced(c["tls"], certificate="/none.pem")), "none.pem"),
    (lambda c: replaced(c, users=[{"name": "x", "acces_key": "y"}]), "acces_key"),
], ids=["unknown key", "bad address", "address of a wrong type", "too little memory", "memory of a wrong type", "no drive",
        "no user", "unusable drive", "drive named twice", "no certificate", "unknown key of a user"])
def test_bad_configuration(make_server, change, word):
    server = make_server()
    server.config = change(server.config)
    assert word in refusal(server)


def test_configuration_that_is_no_json(make_server):
    server = make_server()
    server.write_config = lambda: server.config_file.write_text('{ "listen": ')
    assert "granary.json" in refusal(server)


def test_port_in_use(make_server):
    one, two = make_server().start(), make_server()
    two.config["listen"] = one.config["listen"]
    assert one.config["listen"].split(":")[1] in refusal(two)
    one.stop()
