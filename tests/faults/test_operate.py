"""The operator's commands on the real binary: state, drives that join and leave, rebuild, scrub, check."""

import http.client
import json
import random
import shutil
import subprocess

import granary_server
import pytest
import sigv4
import witness
from test_drives import DATA_FILE, flip_bits
from witness import wait_until

TOKEN = "a token of the operator"
QUICK = {"upkeep": {"rebuild_grace_seconds": 1}}


def states(server):
    return {drive["id"]: drive["state"] for drive in server.command("drives")["drives"]}


def status(server):
    return server.command("status")


def whole(server):
    """Every segment has all its shards, and none is on its way."""
    now = status(server)
    return now["rebuild"]["segments_degraded"] == 0 and now["rebuild"]["segments_left"] == 0


def write_some(load, steps=150):
    load.start()
    load.wait_for_steps(steps)
    load.finish()


def ask(server, path, method="GET", token=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=10)
    connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_status_and_drives(server, load):
    now = status(server)
    assert now["state"] == "healthy"
    assert now["geometry"] == {"data_shards": 4, "parity_shards": 2}
    assert len(now["metadata_mirrors"]["current"]) == 3
    assert states(server) == dict.fromkeys(range(6), "alive")
    write_some(load)
    shutil.rmtree(server.drives[2])
    wait_until(lambda: status(server)["state"] == "degraded", "the state of the store")
    assert states(server)[2] == "lost"
    assert status(server)["geometry"] == {"data_shards": 3, "parity_shards": 2}
    # The words of a person's terminal hold the same.
    text = subprocess.run([str(server.program), "status", "--admin", server.config["admin_socket"]],
                          capture_output=True, text=True, check=True).stdout
    assert "state      degraded" in text and "5 of 6 alive" in text
    server.stop()


def test_commands_over_tcp_need_a_token(make_server):
    closed = make_server().start()
    assert ask(closed, "/metrics")[0] == 200
    assert ask(closed, "/.granary/health/ready")[0] == 200
    assert ask(closed, "/v1/status")[0] == 403
    closed.stop()
    opened = make_server(settings={"admin_token": TOKEN}).start()
    assert ask(opened, "/v1/status")[0] == 401
    assert ask(opened, "/v1/status", token=TOKEN + "?")[0] == 401
    code, body = ask(opened, "/v1/status", token=TOKEN)
    assert code == 200 and json.loads(body)["state"] == "healthy"
    assert ask(opened, "/v1/drives/0/retire", "POST")[0] == 401
    assert states(opened)[0] == "alive"
    assert TOKEN not in opened.log_tail(1000)
    opened.stop()


def test_nonsense_is_refused_with_a_sentence(server):
    assert "no such drive" in server.command("scrub", 17, expect=1)
    assert server.command("drive", "retire", 17, expect=1)
    assert "drive 0 of this store already" in server.command("drive", "add", server.drives[0], expect=1)
    assert server.command("drive", "add", "/proc/nothing", expect=1)
    code, body = 0, b""
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=10)
    connection.request("POST", "/v1/drives", b"[" * 60000)
    answer = connection.getresponse()
    code, body = answer.status, answer.read()
    assert code in (400, 403) and b"error" in body
    assert status(server)["state"] == "healthy"
    server.stop()


def test_drives_join_and_the_geometry_widens(server, load):
    load.start()
    load.wait_for_steps(100)
    for number in (6, 7):
        added = server.command("drive", "add", server.folder / f"d{number + 1}", "--capacity-bytes", 512 << 20)
        assert added["id"] == number
    assert status(server)["geometry"] == {"data_shards": 6, "parity_shards": 2}
    load.wait_for_steps(150)
    load.finish()
    load.check()
    server.stop()
    server.start()  # its configuration still names six drives only
    assert states(server) == dict.fromkeys(range(8), "alive")
    load.check()
    for drive in (7, 0):
        (server.folder / f"d{drive + 1}").rename(server.folder / f"away{drive}")
    load.check()
    server.stop()


def test_a_drive_is_replaced_under_load(server, load):
    load.start()
    load.wait_for_steps(150)
    added = server.command("drive", "replace", 3, server.folder / "new", "--capacity-bytes", 512 << 20)
    wait_until(lambda: states(server)[3] == "retired", "the end of the replacement", 60)
    load.wait_for_steps(50)
    load.finish()
    shutil.rmtree(server.drives[3])
    load.check()
    assert states(server)[added["id"]] == "alive"
    assert server.command("check")["problems"] == []
    server.stop()
    del server.config["drives"][3]
    server.start()
    assert whole(server)
    load.check()
    server.stop()


def test_retiring_below_the_minimum_is_refused(make_server):
    server = make_server(drives=2).start()
    assert server.command("drive", "retire", 0, expect=1)
    assert states(server) == {0: "alive", 1: "alive"}
    server.stop()


@pytest.mark.parametrize("drives", [6, 8])
def test_a_lost_drive_is_rebuilt_and_two_more_may_go(make_server, seed, drives):
    server = make_server(drives=drives, settings=QUICK).start()
    load = witness.Witness(server, seed)
    load.make_bucket()
    lost = random.Random(seed).sample(range(drives), 3)
    write_some(load, 300)
    load.start()
    shutil.rmtree(server.drives[lost[0]])
    wait_until(lambda: states(server)[lost[0]] == "lost", "the drive is gone")
    wait_until(lambda: whole(server), "full tolerance", 60)
    load.wait_for_steps(50)
    load.finish()
    wait_until(lambda: whole(server), "full tolerance", 60)
    for drive in lost[1:]:
        shutil.rmtree(server.drives[drive])
    load.check()
    server.stop()


def test_scrub_repairs_what_rots(make_server, seed):
    server = make_server(settings={"upkeep": {"scrub_period_seconds": 0}}).start()
    load = witness.Witness(server, seed)
    load.make_bucket()
    numbers = random.Random(seed)
    write_some(load, 300)
    server.stop()
    flip_bits(server.drives[numbers.randrange(6)] / DATA_FILE, numbers, 3000)
    server.start()
    found = server.command("check", expect=1)
    assert found["shards_damaged"] > 0
    first = server.command("scrub")
    assert first["shards_damaged"] == found["shards_damaged"]
    assert first["shards_repaired"] == first["shards_damaged"]
    assert first["stripes_lost"] == 0
    second = server.command("scrub")
    assert second["shards_damaged"] == 0 and second["stripes"] >= first["stripes"]
    assert server.command("check")["problems"] == []
    load.check()
    server.stop()


def test_check_beside_load_and_without_a_server(server, load):
    load.start()
    for _ in range(4):
        load.wait_for_steps(60)
        report = server.command("check")
        assert report["state"] == "done" and report["problems"] == []
    load.finish()
    server.stop()
    done = subprocess.run([str(server.program), "check", "--json", "--config", str(server.config_file)],
                          capture_output=True, text=True)
    report = json.loads(done.stdout[done.stdout.index("{\n"):])
    assert done.returncode == 0 and report["problems"] == [] and report["segments_open"] == 0
    assert report["segments_checked"] == report["segments"] > 0


def test_a_bucket_holds_no_more_than_its_quota(server):
    client = sigv4.Client(server.port, granary_server.MAIN)
    client.make_bucket("bounded")
    assert server.command("bucket", "show", "nowhere", expect=1)
    assert server.command("bucket", "quota", "bounded", expect=1)
    assert server.command("bucket", "quota", "bounded", "--objects", 2, "--bytes", 100_000)["quota_objects"] == 2
    assert client.put("bounded", "a", b"x" * 60_000).status == 200
    refused = client.put("bounded", "b", b"x" * 40_001)
    assert (refused.status, refused.code) == (403, "QuotaExceeded")
    assert client.put("bounded", "b", b"x" * 40_000).status == 200
    assert client.put("bounded", "c", b"").code == "QuotaExceeded"
    assert client.put("bounded", "b", b"less").status == 200
    now = server.command("bucket", "show", "bounded")
    assert (now["objects"], now["bytes"]) == (2, 60_004)
    client.close()
    server.kill()
    server.start()
    assert client.put("bounded", "c", b"").code == "QuotaExceeded"
    assert client.delete("bounded", "a").status == 204
    assert client.put("bounded", "c", b"x" * 99_996).status == 200
    server.command("bucket", "quota", "bounded", "--objects", 0, "--bytes", 0)
    assert client.put("bounded", "d", b"x" * 200_000).status == 200
    server.stop()


def test_check_makes_no_store_where_there_is_none(server, tmp_path):
    for more in ([], ["--from-drives"]):
        blank = tmp_path / "mistyped"
        done = subprocess.run([str(server.program), "check", *more, str(blank)], capture_output=True, text=True)
        assert done.returncode == 1 and "no store is on" in done.stderr
        assert not blank.exists()


def test_killed_while_drives_change(make_server, seed):
    """kill -9 in the middle of rebuilds and retirements: nothing is lost, and what was begun goes on."""
    numbers = random.Random(seed)
    server = make_server(drives=8, settings=QUICK).start()
    load = witness.Witness(server, seed)
    load.make_bucket()
    load.start()
    load.wait_for_steps(200)
    server.command("drive", "retire", 1)
    del server.config["drives"][1]  # a drive that has left is refused; one that is leaving is found where it was
    for _ in range(4):
        load.wait_for_steps(numbers.randrange(1, 40))
        load.crash(server.kill)
        server.start()
        load.check()
        load.start()
    wait_until(lambda: states(server)[1] == "retired", "the end of the retirement", 60)
    load.finish()
    load.check()
    assert server.command("check")["problems"] == []
    server.stop()


def test_the_drives_alone_tell_what_was_stored(server, seed):
    """Metadata gone, one drive gone: the stripes still name every object, and all of its bytes."""
    numbers = random.Random(seed)
    client = sigv4.Client(server.port, granary_server.MAIN)
    client.make_bucket("kept")
    sizes = {f"a key, and {number} of them": numbers.choice((1, 5000, 70_000, 3_000_000)) for number in range(60)}
    for key, size in sizes.items():
        assert client.put("kept", key, numbers.randbytes(size)).status == 200
    client.close()
    server.stop()
    for drive in server.drives:
        shutil.rmtree(drive / "metadata", ignore_errors=True)
    shutil.rmtree(server.drives[4])
    done = subprocess.run([str(server.program), "check", "--from-drives", "--json", "--config", str(server.config_file)],
                          capture_output=True, text=True, check=True)
    named = dict.fromkeys(sizes, 0)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            piece = json.loads(line)
            assert piece["bucket"] == "kept"
            named[piece["key"]] += piece["length"]
    assert named == sizes
    refused = subprocess.run([str(server.program), "serve", "--config", str(server.config_file)], capture_output=True)
    assert refused.returncode == 1, "without its metadata a store must not begin anew"
