"""What features of S3 cost: policies, encryption, bulk deletes, lifecycle rules. Each beside the same without the feature."""
import os
import sys
import time

from measure import KEYS, ROOT, S3, put_bucket

sys.path.insert(0, os.path.join(ROOT, "tests/clients"))
import sigv4  # noqa: E402

USER = ("BENCHKEY", "BENCHSECRET")
RULE = """<LifecycleConfiguration><Rule><ID>month</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>
<Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>"""
WATCH_SECONDS = 8


def tell(bucket, what, text):
    client = sigv4.Client(S3, USER)
    answer = client.request("PUT", f"/{bucket}?{what}", text.encode())
    client.close()
    if answer.status not in (200, 204):
        raise RuntimeError(f"PUT ?{what}: {answer.status} {answer.body[:300]}")


def policy_of(bucket):
    """Twenty statements, all of which have to be looked at: denials that never hold, and one that allows."""
    deny = ",".join(
        '{"Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::%s/secret-%d/*", '
        '"Condition": {"NotIpAddress": {"aws:SourceIp": "10.%d.0.0/16"}}}' % (bucket, i, i) for i in range(19))
    return ('{"Version": "2012-10-17", "Statement": [%s, {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", '
            '"Resource": "arn:aws:s3:::%s/*"}]}' % (deny, bucket))


def reads(bench, store):
    def rows(bucket, size, keys, connections):
        put_bucket(S3, bucket)
        if bucket == "judged":
            tell(bucket, "versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
            tell(bucket, "policy", policy_of(bucket))
        if bucket == "sealed":
            tell(bucket, "encryption", "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>"
                 "AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>")
        bench.load("fill", "--port", S3, "--prefix", f"/{bucket}/{size}-", "--size", size, "--keys", keys, *KEYS)
        arguments = ["get", "--port", S3, "--prefix", f"/{bucket}/{size}-", "--size", size, "--keys", keys, "--connections", connections,
                     "--seconds", 2, *KEYS]
        bench.load(*arguments)
        return lambda: bench.timed_load(store, *arguments)
    if not bench.only or bench.only in "GET 50 KB with a policy":
        plain, judged = rows("plain", 51200, 1000, 32), rows("judged", 51200, 1000, 32)
        bench.compare("GET 50 KB with a policy of 20 statements, versioned", "signed GET 50 KB", 0.9, 1.0, judged, plain)
    if not bench.only or bench.only in "GET 1 MB under SSE-S3":
        plain, sealed = rows("plain", 1 << 20, 64, 8), rows("sealed", 1 << 20, 64, 8)
        bench.compare("GET 1 MB under SSE-S3, 8 connections", "signed GET 1 MB", 0.7, 0.9, sealed, plain)


def deletes(bench, store):
    """Each thousand small objects; one request, and one connection with a thousand."""
    if bench.only and bench.only not in "DeleteObjects":
        return
    put_bucket(S3, "gone")
    client = sigv4.Client(S3, USER)

    def fill(name):
        bench.load("fill", "--port", S3, "--prefix", f"/gone/{name}-", "--size", 4096, "--keys", 1000, *KEYS)
        return client.list_keys("gone")

    def bulk():
        text = "<Delete><Quiet>true</Quiet>" + "".join(f"<Object><Key>{key}</Key></Object>" for key in fill("bulk")) + "</Delete>"
        begin = time.monotonic()
        answer = client.request("POST", "/gone?delete", text.encode())
        took = time.monotonic() - begin
        if answer.status != 200 or b"<Error>" in answer.body:
            raise RuntimeError(f"DeleteObjects: {answer.status} {answer.body[:300]}")
        return {"per_second": 1000 / took}

    def single():
        keys = fill("single")
        begin = time.monotonic()
        for key in keys:
            if client.delete("gone", key).status != 204:
                raise RuntimeError(f"DELETE {key}")
        return {"per_second": len(keys) / (time.monotonic() - begin)}
    bench.compare("DeleteObjects of 1,000 keys", "1,000 DELETEs on one connection", 20, 40, bulk, single, unit="keys/s")
    client.close()


def lifecycle(bench, store, keys):
    """The walk that finds out when something will be due, and the looks after it; more walks come only when something is."""
    if bench.only and bench.only not in "lifecycle":
        return
    put_bucket(S3, "aging")
    bench.load("fill", "--port", S3, "--prefix", "/aging/", "--size", 0, "--keys", keys, "--connections", 64, "--names", "padded", *KEYS)

    def watch():
        begin = store.cpu_seconds()
        time.sleep(WATCH_SECONDS)
        return store.cpu_seconds() - begin
    watch()  # what the fill left to do
    idle = watch()
    tell("aging", "lifecycle", RULE)
    spent = watch() - idle
    later = watch() - idle
    row = [f"lifecycle over {keys:,} objects, none due: CPU of a day", f"{spent:.2f} s", "then, each day: " + f"{max(0.0, later):.2f} s", "", "",
           "1 s", "0.1 s", "", "yes" if spent < 1 else "NO"]
    bench.rows.append(row)
    print(" | ".join(row), flush=True)


def measure(bench, keys):
    store = bench.granary(S3, "features", 2 << 30, lifecycle={"scan_seconds": 1})
    try:
        reads(bench, store)
        deletes(bench, store)
        lifecycle(bench, store, keys)
    finally:
        store.stop()
