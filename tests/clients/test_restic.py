"""restic: a repository in a bucket; backups, a restore that is compared, a check of all data, and pruning."""

import json
import os
import subprocess

from conftest import payload


def run(endpoint, repository, *words):
    done = subprocess.run(["restic", "-r", repository, "--no-cache", *words], capture_output=True, text=True, timeout=300,
                          env={**endpoint.environment(), "RESTIC_PASSWORD": "a password"})
    assert done.returncode == 0, f"{words}: {done.stdout[-500:]}{done.stderr[-2000:]}"
    return done.stdout


def test_backups(endpoint, bucket, tmp_path):
    source = tmp_path / "source"
    (source / "deep" / "ünï").mkdir(parents=True)
    for i in range(30):
        (source / f"file{i}").write_bytes(payload(20_000, i))
    (source / "deep" / "ünï" / "large").write_bytes(payload(20 << 20))
    host = f"localhost:{endpoint.port}" if endpoint.secure else endpoint.host
    repository = f"s3:{endpoint.scheme}://{host}/{bucket}/backups"
    trust = ["--cacert", endpoint.certificate] if endpoint.secure else []
    run(endpoint, repository, *trust, "init")
    run(endpoint, repository, *trust, "backup", str(source))
    (source / "file3").write_bytes(payload(20_000, 1003))
    os.remove(source / "file4")
    run(endpoint, repository, *trust, "backup", str(source))
    assert len(json.loads(run(endpoint, repository, *trust, "snapshots", "--json"))) == 2
    run(endpoint, repository, *trust, "restore", "latest", "--target", str(tmp_path / "back"))
    back = tmp_path / "back" / source.relative_to("/")
    wanted = {str(f.relative_to(source)): f.read_bytes() for f in source.rglob("*") if f.is_file()}
    assert {str(f.relative_to(back)): f.read_bytes() for f in back.rglob("*") if f.is_file()} == wanted
    run(endpoint, repository, *trust, "forget", "--keep-last", "1", "--prune")
    run(endpoint, repository, *trust, "check", "--read-data")
