"""Drives that go, shrink, rot and come back, under load and at rest: all bytes, or a clean error; never wrong ones."""

import http.client
import itertools
import mmap
import os
import random
import shutil

import granary_server
import pytest
import sigv4
import witness
from witness import wait_until

FLIPS = 2000
DATA_FILE = "granary.data"
BLOCK_BYTES = 4096


def noticed(server):
    return server.log_lines("warn") + server.log_lines("error")


@pytest.mark.parametrize("drive", [0, 4])
def test_directory_removed_under_load(server, load, drive):
    load.start()
    load.wait_for_steps(150)
    shutil.rmtree(server.drives[drive])
    wait_until(lambda: noticed(server), "a line in the log about the drive")
    load.wait_for_steps(300)
    load.finish()
    load.check()
    server.stop()
    server.start()
    load.check()
    load.start()
    load.wait_for_steps(100)
    load.finish()
    load.check()
    server.stop()


def test_two_directories_removed_under_load(server, load, seed):
    first, second = random.Random(seed).sample(range(6), 2)
    load.start()
    for drive in (first, second):
        load.wait_for_steps(150)
        shutil.rmtree(server.drives[drive])
        wait_until(lambda path=str(server.drives[drive]): any(path in line for line in noticed(server)),
                   "a line in the log about the drive")
    load.wait_for_steps(200)
    load.finish()
    load.check()
    server.stop()


def test_data_file_truncated_under_load(server, load, seed):
    drive = random.Random(seed).randrange(6)
    load.start()
    load.wait_for_steps(200)
    path = server.drives[drive] / DATA_FILE
    os.truncate(path, path.stat().st_size // 8192 * 4096)
    load.wait_for_steps(300)
    load.finish()
    load.check()
    server.stop()
    server.start()
    load.check()
    server.stop()


def flip_bits(path, numbers, count):
    """Flips single bits all over the file, past the page cache as the store itself does."""
    blocks = path.stat().st_size // BLOCK_BYTES
    file = os.open(path, os.O_RDWR | os.O_DIRECT)
    block = mmap.mmap(-1, BLOCK_BYTES)  # aligned, as O_DIRECT wants it
    try:
        for _ in range(count):
            offset = numbers.randrange(blocks) * BLOCK_BYTES
            os.preadv(file, [block], offset)
            block[numbers.randrange(BLOCK_BYTES)] ^= 1 << numbers.randrange(8)
            os.pwritev(file, [block], offset)
    finally:
        block.close()
        os.close(file)


def test_bits_flipped_under_load(server, load, seed):
    numbers = random.Random(seed)
    path = server.drives[numbers.randrange(6)] / DATA_FILE
    load.start()
    load.wait_for_steps(200)
    for _ in range(4):
        flip_bits(path, numbers, FLIPS // 4)
        load.wait_for_steps(100)
    load.finish()
    load.check()
    server.stop()
    flip_bits(path, numbers, FLIPS)
    server.start()
    load.check()
    assert noticed(server), "bytes that fail their checksum are in the log"
    server.stop()


def test_any_two_drives_lost_at_rest(server, load, seed):
    """Every pair of six: everything is read, something is written, and the drives come back."""
    load.start()
    load.wait_for_steps(200)
    load.finish()
    pairs = list(itertools.combinations(range(6), 2))
    random.Random(seed).shuffle(pairs)
    for pair in pairs:
        server.stop()
        for drive in pair:
            server.drives[drive].rename(server.folder / f"away{drive}")
        server.start()
        load.check()
        load.start()
        load.wait_for_steps(10)
        load.finish()
        server.stop()
        for drive in pair:
            # A store that serves without a drive makes its directory anew; what came back is the old one.
            shutil.rmtree(server.drives[drive], ignore_errors=True)
            (server.folder / f"away{drive}").rename(server.drives[drive])
        server.start()
        load.check()
    server.stop()


def test_three_drives_lost_never_gives_wrong_bytes(server, load):
    load.start()
    load.wait_for_steps(200)
    load.finish()
    server.stop()
    for drive in (1, 3, 5):
        shutil.rmtree(server.drives[drive])
    process = server.process = server.spawn()
    wait_until(lambda: server.ready() or process.poll() is not None, "a start or a refusal")
    if process.poll() is not None:
        assert process.returncode > 0 and "granary: " in server.log_text().splitlines()[-1]
        server.process = None
        return
    client = sigv4.Client(server.port, granary_server.MAIN)
    for key in itertools.chain.from_iterable(load.keys):
        try:
            load.look(client, key)
        except witness.Refused as refused:
            assert refused.status == 500, refused
        except http.client.IncompleteRead:
            pass  # lost in the middle of a large body: the connection ends short of the length that was promised
    client.close()
    server.stop()


def test_metadata_of_two_mirrors_destroyed_at_rest(server, load):
    """The records live on m+1 drives; any m of those copies may be damaged or lost."""
    load.start()
    load.wait_for_steps(200)
    load.finish()
    server.stop()
    mirrors = [d for d in server.drives if any((d / "metadata").glob("**/*")) ]
    assert len(mirrors) >= 3
    shutil.rmtree(mirrors[0] / "metadata")
    for file in (mirrors[1] / "metadata").glob("**/*"):
        if file.is_file():
            os.truncate(file, file.stat().st_size // 2)
    server.start()
    load.check()
    server.stop()
