"""Spark in local mode over Hadoop's S3A: see spark/job.py."""

import json
import os
import pathlib
import subprocess

import granary_server

JOB = pathlib.Path(__file__).parent / "spark" / "job.py"


def test_spark(server, bucket, tmp_path):
    task = {"endpoint": server.url(), "region": granary_server.REGION, "access": granary_server.MAIN[0],
            "secret": granary_server.MAIN[1], "bucket": bucket, "folder": str(tmp_path), "jars": os.environ["GRANARY_SPARK_JARS"]}
    done = subprocess.run([os.environ["GRANARY_SPARK"] + "/bin/python", str(JOB)], input=json.dumps(task),
                          capture_output=True, text=True, timeout=600,
                          env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONHASHSEED": "0"})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    cats = 1 + sum(1 for i in range(20_000) if i % 7 == 6 and i % 7 * 2 + i % 11 > 11)  # one of the ten that came twice
    accuracy = seen.pop("accuracy")
    assert accuracy > 0.9
    assert seen == {
        "rows": [20_010, sum(range(20_000)) + sum(range(10))], "cats": cats, "overwritten": 3,
        "committer": "magic", "magic": False, "empty": [True, 0],
        "renamed": [True, False, ["one", "two words", "ünï"]], "glob": 2, "removed": [True, False],
        "shell": [0] * 9, "same": True, "left": 1,
    }
