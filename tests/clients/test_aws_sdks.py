"""AWS's SDKs for Java v2, JavaScript v3 and Go v2: one scenario in three programs, whose sights are compared here."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess

import pytest

from conftest import payload, sha
from keys import FILE_KEYS

HERE = pathlib.Path(__file__).parent
KEYS = ["keys/" + key for key in FILE_KEYS]


def java(endpoint, task, tmp_path):
    store = tmp_path / "trusted.p12"
    subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "store", "-file", endpoint.certificate, "-keystore",
                    str(store), "-storepass", "changeit", "-storetype", "PKCS12"], check=True, capture_output=True)
    lines = [f"{name}={value}" for name, value in task.items() if name != "Keys"]
    lines += ["key=" + base64.b64encode(key.encode()).decode() for key in task["Keys"]]
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", f"-Djavax.net.ssl.trustStore={store}",
               "-Djavax.net.ssl.trustStorePassword=changeit", "-cp", os.environ["GRANARY_AWS_JAVA"] + "/*",
               str(HERE / "aws_java" / "AwsJava.java")]
    return command, "\n".join(lines) + "\n"


def javascript(endpoint, task, tmp_path):
    return ["node", str(HERE / "aws_js.cjs")], json.dumps(task)


def go(endpoint, task, tmp_path):
    return [os.environ["GRANARY_AWS_GO"]], json.dumps(task)


@pytest.mark.parametrize("sdk", [java, javascript, go])
def test_the_scenario(endpoint, bucket, tmp_path, sdk):
    small, large = payload(50_000), payload(11 << 20)
    (tmp_path / "small").write_bytes(small)
    (tmp_path / "large").write_bytes(large)
    url = endpoint.url.replace("127.0.0.1", "localhost") if endpoint.secure else endpoint.url
    task = {"Endpoint": url, "Access": endpoint.access_key, "Secret": endpoint.secret_key, "Region": endpoint.region,
            "Bucket": bucket, "Certificate": endpoint.certificate if endpoint.secure else "",
            "Small": str(tmp_path / "small"), "Large": str(tmp_path / "large"), "Keys": KEYS}
    command, text = sdk(endpoint, task, tmp_path)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "NODE_EXTRA_CA_CERTS": endpoint.certificate,
                               "NODE_PATH": os.environ["GRANARY_NODE_MODULES"], "AWS_EC2_METADATA_DISABLED": "true"})
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    digest = base64.b64encode(hashlib.sha256(small).digest()).decode()
    expected = {
        "head": [50_000, "me", "text/x-test", digest], "small": sha(small), "range": sha(small[100:300]),
        "large": sha(large), "attributes": [11 << 20, 3], "copy": sha(large),
        "exists": "PreconditionFailed", "absent": "NoSuchKey",
        "listed": sorted(KEYS, key=lambda key: key.encode()),
        "prefixes": ["keys/a b/", "keys/emoji-😀/", "keys/ünï/", "keys/日本語/"],
        "presigned": [200, sha(small)], "tags": ["class", "cat/dog"], "sealed": ["AES256", sha(small)],
        "deleted": [True, 0], "versions": [sha(b"one"), 2, 1],
    }
    if endpoint.secure:
        expected["own"] = sha(small)
    assert seen == expected
