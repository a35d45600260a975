"""Sealed datasets through clients that know nothing of them: boto3, tarfile, webdataset, s3torchconnector, presigned URLs."""

import io
import json
import pathlib
import subprocess
import sys
import tarfile

import boto3
import pytest
import webdataset
from botocore.config import Config
from botocore.exceptions import ClientError
from s3torchconnector import S3ClientConfig, S3IterableDataset

from conftest import payload

COUNT = 60


@pytest.fixture
def s3(endpoint):
    return boto3.client("s3", endpoint_url=endpoint.url, region_name=endpoint.region, verify=endpoint.certificate,
                        aws_access_key_id=endpoint.access_key, aws_secret_access_key=endpoint.secret_key,
                        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))


@pytest.fixture
def images(s3, bucket):
    """Keys and bytes of a bucket of samples with tags; its datasets are dropped afterwards."""
    objects = {}
    for i in range(COUNT):
        key = f"train/{i:03}.jpg"
        objects[key] = payload(20_000 + i, i)
        s3.put_object(Bucket=bucket, Key=key, Body=objects[key], Tagging=f"class={i % 3}&writer=w{i % 7}")
    yield objects
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=".granary/datasets/").get("Contents", [])
    for entry in listed:
        s3.delete_object(Bucket=bucket, Key=entry["Key"])


def read(s3, bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def seal(s3, bucket, name, **description):
    s3.put_object(Bucket=bucket, Key=f".granary/datasets/{name}", Body=json.dumps(description).encode())
    return json.loads(read(s3, bucket, f".granary/datasets/{name}"))


def tars(s3, dataset, order, kind="shards"):
    """The tars of an order, by name, as a client lists them."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=dataset, Prefix=f".granary/{kind}/{order}/")
    return [entry for page in pages for entry in page.get("Contents", [])]


def test_a_dataset_is_a_bucket(s3, bucket, images):
    info = seal(s3, bucket, "all", query="EXISTS class")
    assert info["count"] == COUNT and info["bytes"] == sum(map(len, images.values()))
    s3.put_object(Bucket=bucket, Key="train/000.jpg", Body=b"overwritten")
    s3.delete_object(Bucket=bucket, Key="train/001.jpg")
    dataset = f"all.{bucket}"
    listed = s3.list_objects_v2(Bucket=dataset)["Contents"]
    assert [entry["Key"] for entry in listed] == sorted(images)
    for key, data in images.items():
        assert read(s3, dataset, key) == data
    assert s3.get_object_tagging(Bucket=dataset, Key="train/001.jpg")["TagSet"][0] == {"Key": "class", "Value": "1"}
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=dataset, Key="new", Body=b"x")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 405
    assert dataset not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


def test_splits_never_part_a_writer(s3, bucket, images):
    info = seal(s3, bucket, "digits", query="EXISTS class", splits={"train": 0.6, "test": 0.4}, group_by="writer")
    writers = {}
    for split in ("train", "test"):
        name = f"{info['splits'][split]['dataset']}.{bucket}"
        manifest = read(s3, name, ".granary/manifest.jsonl").decode().splitlines()
        assert len(manifest) == info["splits"][split]["count"]
        writers[split] = {json.loads(line)["labels"]["writer"] for line in manifest}
    assert not writers["train"] & writers["test"]
    assert len(writers["train"] | writers["test"]) == 7


def test_tars_are_read_by_tarfile_with_exact_lengths(s3, bucket, images):
    seal(s3, bucket, "all", query="EXISTS class")
    dataset, seen = f"all.{bucket}", {}
    for entry in tars(s3, dataset, "seed=7,size=25"):
        head = s3.head_object(Bucket=dataset, Key=entry["Key"])
        data = read(s3, dataset, entry["Key"], IfMatch=head["ETag"])
        assert len(data) == entry["Size"] == head["ContentLength"]
        buffer = io.BytesIO()
        s3.download_fileobj(dataset, entry["Key"], buffer)
        assert buffer.getvalue() == data
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.mode) == (0, 0, 0o644)
                assert member.name not in seen
                seen[member.name] = tar.extractfile(member).read()
    assert {name: body for name, body in seen.items() if name.endswith(".jpg")} == images
    assert json.loads(seen["train/004.json"])["labels"] == {"class": "1", "writer": "w4"}


def test_webdataset_reads_ranks_and_resumes(s3, bucket, images):
    seal(s3, bucket, "all", query="EXISTS class")
    dataset = f"all.{bucket}"

    def urls(rank, world, start=0):
        order = f"seed=3,epoch=1,size=10,rank={rank},world={world},start={start}"
        return [s3.generate_presigned_url("get_object", Params={"Bucket": dataset, "Key": entry["Key"]})
                for entry in tars(s3, dataset, order, "batches")]

    def samples(addresses):
        # The pipe is webdataset's own way to a URL; -k, since its curl trusts the system's authorities only.
        return list(webdataset.WebDataset([f"pipe:curl -ksf '{url}'" for url in addresses], shardshuffle=False))

    for world in (1, 2, 4):
        seen = []
        for rank in range(world):  # killed after the first batch of each rank
            seen += samples(urls(rank, world)[:1])
        for rank in range(world):
            seen += samples(urls(rank, world, start=10 * world))
        assert {f"{each['__key__']}.jpg": each["jpg"] for each in seen} == images
        assert len(seen) == COUNT
        assert all(json.loads(each["json"])["key"] == f"{each['__key__']}.jpg" for each in seen)


def test_s3torchconnector_reads_a_dataset(s3, endpoint, bucket, images, monkeypatch):
    if endpoint.secure:
        return  # it trusts the system's authorities only: test_s3torchconnector.py has its way over TLS
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, endpoint.environment()[name])
    seal(s3, bucket, "all", query="EXISTS class")
    data = S3IterableDataset.from_prefix(f"s3://all.{bucket}/train/", region=endpoint.region, endpoint=endpoint.url,
                                         s3client_config=S3ClientConfig(force_path_style=True))
    assert {reader.key: reader.read() for reader in data} == images


def test_lineage_and_difference(s3, bucket, images):
    seal(s3, bucket, "v1", query="EXISTS class")
    s3.put_object_tagging(Bucket=bucket, Key="train/005.jpg", Tagging={"TagSet": [{"Key": "class", "Value": "9"}]})
    s3.delete_object(Bucket=bucket, Key="train/006.jpg")
    seal(s3, bucket, "v2", query="EXISTS class")
    derived = seal(s3, bucket, "v3", dataset="v1", query="class = '1'")
    assert derived["parents"] == ["v1"] and derived["count"] == COUNT // 3
    changes = [json.loads(line) for line in read(s3, bucket, ".granary/diff/v1/v2").decode().splitlines()]
    assert changes == [{"key": "train/005.jpg", "change": "labels"}, {"key": "train/006.jpg", "change": "removed"}]
    read(s3, f"v1.{bucket}", ".granary/shards/seed=1/000000.tar")
    seen = json.loads(read(s3, bucket, ".granary/seen/train/006.jpg"))
    assert [each["name"] for each in seen["datasets"]] == ["v1"]
    assert [(each["dataset"], each["from"], each["to"]) for each in seen["sessions"]] == [("v1", 0, COUNT)]


def test_a_bucket_with_datasets_cannot_be_deleted(s3, bucket, images):
    seal(s3, bucket, "kept", query="EXISTS class")
    with pytest.raises(ClientError) as raised:
        s3.delete_bucket(Bucket=bucket)
    assert raised.value.response["Error"]["Code"] == "BucketNotEmpty"
    s3.delete_object(Bucket=bucket, Key=".granary/datasets/kept")
    with pytest.raises(ClientError) as raised:
        s3.head_bucket(Bucket=f"kept.{bucket}")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_the_tour(s3, endpoint, bucket):
    """The tour of the README, as a program of its own."""
    program = pathlib.Path(__file__).with_name("ground_truth.py")
    done = subprocess.run([sys.executable, str(program), endpoint.url, bucket], env=endpoint.environment(), capture_output=True,
                          text=True, timeout=180)
    for entry in s3.list_objects_v2(Bucket=bucket, Prefix=".granary/datasets/").get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=entry["Key"])
    assert done.returncode == 0, done.stderr[-3000:]
    assert "all steps hold" in done.stdout
