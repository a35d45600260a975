"""Labels and datasets from one end to the other, with clients that know nothing of them: ground_truth.py ENDPOINT BUCKET.

The steps: images arrive with tags; a labelling team's ground truth is put as annotations; a scientist asks and seals; a training job
reads shards on several ranks, dies and resumes; objects change meanwhile; predictions come back and are compared with the truth; a
corrected dataset is sealed from the first, and the difference is readable. Prints a line for each step, and fails with the first
that does not hold.
"""

import io
import json
import sys
import tarfile
import urllib.parse

import boto3
from botocore.config import Config

COUNT = 120
CLASSES = ["0", "3", "8"]


class Tour:
    def __init__(self, endpoint, bucket):
        self.s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
        self.bucket = bucket
        self.keys = [f"digits/{i:04}.png" for i in range(COUNT)]
        self.bodies = {key: f"image {key}".encode() * 40 for key in self.keys}

    def read(self, key, bucket=None):
        return self.s3.get_object(Bucket=bucket or self.bucket, Key=key)["Body"].read()

    def read_json(self, key):
        return json.loads(self.read(key))

    def truth_of(self, i):
        return {"class": CLASSES[i % 3], "confidence": 0.5 + (i % 10) / 20, "writer": f"w{i % 11}"}

    def ingest(self):
        """1. Images with tags that give their split."""
        for i, key in enumerate(self.keys):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=self.bodies[key], ContentType="image/png",
                               Tagging=f"split={'train' if i % 4 else 'test'}&writer=w{i % 11}")

    def label(self):
        """2. Ground truth as annotations; the store says which images have none."""
        for i, key in enumerate(self.keys[:-5]):
            self.s3.put_object_annotation(Bucket=self.bucket, Key=key, AnnotationName="truth",
                                          AnnotationPayload=json.dumps(self.truth_of(i)).encode())
        lines = self.read(".granary/unlabelled/truth").decode().splitlines()
        assert [json.loads(line)["key"] for line in lines] == self.keys[-5:]

    def seal(self):
        """3. A query, its class balance, and a dataset with splits that no writer straddles."""
        query = "split = 'train' AND truth.class IN ('3','8') AND truth.confidence >= 0.6"
        expected = [key for i, key in enumerate(self.keys[:-5])
                    if i % 4 and self.truth_of(i)["class"] != "0" and self.truth_of(i)["confidence"] >= 0.6]
        pages = self.s3.get_paginator("list_objects_v2")
        assert self.read_json(f".granary/count/{query}")["count"] == len(expected) and pages
        stats = self.read_json(f".granary/stats/truth.class/{query}")
        assert {each["value"] for each in stats["values"]} == {"3", "8"}
        self.s3.put_object(Bucket=self.bucket, Key=".granary/datasets/digits-v1", Body=json.dumps(
            {"query": query, "group_by": "writer", "splits": {"train": 0.8, "val": 0.1, "test": 0.1}}).encode())
        info = self.read_json(".granary/datasets/digits-v1")
        assert info["count"] == len(expected) == sum(each["count"] for each in info["splits"].values())
        writers = {}
        for split, each in info["splits"].items():
            lines = self.read(".granary/manifest.jsonl", f"{each['dataset']}.{self.bucket}").decode().splitlines()
            for line in lines:
                for writer in [json.loads(line)["labels"]["writer"]]:
                    assert writers.setdefault(writer, split) == split
        return info["splits"]["train"]["count"]

    def samples(self, order):
        """The samples of one rank, tar after tar."""
        dataset = f"digits-v1-train.{self.bucket}"
        listed = self.s3.list_objects_v2(Bucket=dataset, Prefix=f".granary/batches/{order}/").get("Contents", [])
        for entry in listed:
            data = self.read(entry["Key"], dataset)
            assert len(data) == entry["Size"]
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                members = [(member.name, tar.extractfile(member).read()) for member in tar]
            yield [(name, body, json.loads(labels)) for (name, body), (_, labels) in zip(members[::2], members[1::2])]

    def train(self, count):
        """4. On 1, 2 and 4 ranks, killed in the middle of an epoch, resumed from two integers."""
        for world in (1, 2, 4):
            seen = []
            for rank in range(world):
                seen += next(self.samples(f"seed=1,epoch=0,size=3,rank={rank},world={world}"), [])
            position = min(3 * world, count)
            for rank in range(world):
                for batch in self.samples(f"seed=1,epoch=0,size=3,rank={rank},world={world},start={position}"):
                    seen += batch
            assert len(seen) == count == len({name for name, _, _ in seen})
            for name, body, labels in seen:
                assert body == self.bodies[name] and labels["annotations"]["truth"]["class"] in ("3", "8")

    def change(self):
        """5. Objects are overwritten, relabelled and deleted; the dataset is as it was."""
        before = self.read(".granary/shards/seed=1/000000.tar", f"digits-v1-train.{self.bucket}")
        for i, key in enumerate(self.keys[:40]):
            if i % 3 == 0:
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"changed", Tagging=f"split=train&writer=w{i % 11}")
            elif i % 3 == 1:
                self.s3.put_object_annotation(Bucket=self.bucket, Key=key, AnnotationName="truth",
                                              AnnotationPayload=b'{"class": "9"}')
        self.s3.delete_object(Bucket=self.bucket, Key=self.keys[41])
        assert self.read(".granary/shards/seed=1/000000.tar", f"digits-v1-train.{self.bucket}") == before

    def compare(self):
        """6. Predictions, agreement, a correction under If-Match, a second dataset, and what differs."""
        for i, key in enumerate(self.keys[50:100], start=50):
            wrong = i % 10 == 0
            truth = self.truth_of(i)["class"]
            self.s3.put_object_annotation(Bucket=self.bucket, Key=key, AnnotationName="prediction", AnnotationPayload=json.dumps(
                {"class": "7" if wrong else truth, "score": 0.9}).encode())
        agreement = self.read_json(".granary/agreement/truth.class/prediction.class")
        worst = [each["key"] for each in agreement["worst"]]
        assert worst == [key for i, key in enumerate(self.keys) if 50 <= i < 100 and i % 10 == 0]
        etag = self.s3.get_object_annotation(Bucket=self.bucket, Key=worst[0], AnnotationName="truth")["ETag"]
        assert etag
        self.s3.put_object_annotation(Bucket=self.bucket, Key=worst[0], AnnotationName="truth", AnnotationPayload=b'{"class": "7"}')
        self.s3.put_object(Bucket=self.bucket, Key=".granary/datasets/digits-v2",
                           Body=json.dumps({"dataset": "digits-v1", "query": "truth.class = '3'"}).encode())
        assert self.read_json(".granary/datasets/digits-v2")["parents"] == ["digits-v1"]
        changes = [json.loads(line) for line in self.read(".granary/diff/digits-v1/digits-v2").decode().splitlines()]
        assert changes and {each["change"] for each in changes} == {"removed"}

    def lineage(self):
        """7. Which datasets and sessions used an object."""
        manifest = self.read(".granary/manifest.csv", f"digits-v1-train.{self.bucket}").decode().splitlines()
        key = manifest[1].split(",")[1]
        seen = self.read_json(f".granary/seen/{urllib.parse.unquote(key)}")
        assert {"digits-v1", "digits-v1-train"} <= {each["name"] for each in seen["datasets"]}
        assert any(each["dataset"] == "digits-v1-train" for each in seen["sessions"])

    def run(self):
        self.ingest()
        self.label()
        count = self.seal()
        self.train(count)
        self.change()
        self.compare()
        self.lineage()
        print("all steps hold")


if __name__ == "__main__":
    Tour(*sys.argv[1:3]).run()
