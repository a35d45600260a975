"""Every command of the guide to labels, as it stands there."""

import os
import pathlib
import re
import subprocess
import sys

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "api" / "labels.md"


def blocks():
    return re.findall(r"^```(sh|python)\n(.*?)^```", GUIDE.read_text(), re.M | re.S)


def test_commands_of_the_guide(endpoint, bucket, tmp_path):
    programs = pathlib.Path(os.environ["GRANARY_COMMANDS"]) / "bin"
    environment = {**endpoint.environment(), "BUCKET": bucket, "CURL_CA_BUNDLE": endpoint.certificate,
                   "PATH": f"{programs}:{os.environ['PATH']}"}
    outputs = []
    found = blocks()
    assert len(found) >= 6
    for language, text in found:
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=300, text=True)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        outputs.append(done.stdout)
    everything = "".join(outputs)
    assert '{"count": 1}' in everything and '{"count": 2}' in everything
    assert '"key":"val/0004.jpg"' in everything
    for file, key in (("confident.jsonl", "train/0001.jpg"), ("waiting.jsonl", "train/0009.jpg"),
                      ("ruled.jsonl", "train/0010.jpg")):
        lines = (tmp_path / file).read_text().splitlines()
        assert len(lines) == 1 and key in lines[0], file
    matches = (tmp_path / "matches.jsonl").read_text().splitlines()
    assert len(matches) == 2 and "train/0001.jpg" in matches[0]


def test_the_guide_is_not_empty_of_commands():
    assert {language for language, _ in blocks()} == {"sh", "python"}
