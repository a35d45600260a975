"""The main job on a store of its own, which loses a drive half-way."""

import pathlib
import shutil
import subprocess
import sys

import pytest

import granary_server

TRAIN = pathlib.Path(__file__).with_name("train.py")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_training_survives_the_loss_of_a_drive(program, scheme):
    folder = granary_server.work_folder()
    server = granary_server.GranaryServer(program, folder).start()
    try:
        drive = server.drives[2]
        done = subprocess.run(
            [sys.executable, str(TRAIN), "--endpoint", server.url(scheme), "--certificate", str(server.certificate),
             "--remove-drive", str(drive)],
            env={"PATH": "/usr/bin:/bin", "AWS_ACCESS_KEY_ID": granary_server.MAIN[0], "OMP_NUM_THREADS": "1",
                 "AWS_SECRET_ACCESS_KEY": granary_server.MAIN[1], "AWS_CONFIG_FILE": "/dev/null"},
            capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-3000:]}\n{server.log_tail()}"
        assert f"removed {drive}" in done.stdout and "accuracy" in done.stdout
        assert not drive.exists() or not list(drive.iterdir())
        assert any(str(drive) in line or "drive" in line for line in server.log_lines("warn") + server.log_lines("error")), \
            f"the loss is in the log\n{server.log_tail()}"
        server.stop()
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
