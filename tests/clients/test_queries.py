"""Queries by boto3 and by hand: downloads in ranges, long questions, listings that page."""

import json
import urllib.parse

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

OBJECTS = 300


@pytest.fixture
def s3(endpoint):
    return boto3.client(
        "s3", endpoint_url=endpoint.url, region_name=endpoint.region, aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key, verify=endpoint.certificate,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))


@pytest.fixture
def labelled(s3, bucket):
    for i in range(OBJECTS):
        s3.put_object(Bucket=bucket, Key=f"{'train' if i % 3 else 'val'}/{i:04}.jpg", Body=b"x" * i,
                      Tagging=f"class={'cat' if i % 2 else 'dog'}&n={i}", Metadata={"camera": str(i % 7)})
    return bucket


def ask(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=f".granary/{key}")["Body"].read()


def lines(body):
    return [json.loads(line) for line in body.splitlines()]


def test_query_is_what_listing_and_reading_tags_would_give(s3, labelled):
    found = [line["key"] for line in lines(ask(s3, labelled, "query/class = 'cat' AND object.key LIKE 'train/%'"))]
    assert found == sorted(f"train/{i:04}.jpg" for i in range(OBJECTS) if i % 3 and i % 2)
    assert json.loads(ask(s3, labelled, "count/class = 'cat' AND object.size >= 100")) == {
        "count": sum(1 for i in range(100, OBJECTS) if i % 2)}
    s3.put_object_tagging(Bucket=labelled, Key="train/0001.jpg", Tagging={"TagSet": [{"Key": "class", "Value": "cow"}]})
    assert [line["labels"]["class"] for line in lines(ask(s3, labelled, "query/class NOT IN ('cat', 'dog')"))] == ["cow"]


def test_download_in_ranges(s3, labelled, tmp_path):
    key = ".granary/query/EXISTS class"
    whole = ask(s3, labelled, "query/EXISTS class")
    assert len(lines(whole)) == OBJECTS
    config = TransferConfig(multipart_threshold=8 << 10, multipart_chunksize=8 << 10, max_concurrency=4)
    s3.download_file(labelled, key, str(tmp_path / "answer"), Config=config)
    assert (tmp_path / "answer").read_bytes() == whole
    head = s3.head_object(Bucket=labelled, Key=key)
    assert head["ContentLength"] == len(whole) and head["ContentType"] == "application/x-ndjson"
    with pytest.raises(ClientError) as raised:
        s3.get_object(Bucket=labelled, Key=key, IfMatch='"0123"')
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_listing_by_query(s3, labelled):
    def add(request, **_):
        request.url += "&query=" + urllib.parse.quote("class = 'cat' AND meta.camera IN ('1', '2')")
    s3.meta.events.register("before-sign.s3.ListObjectsV2", add)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=labelled, PaginationConfig={"PageSize": 7})
    found = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    assert found == sorted(f"{'train' if i % 3 else 'val'}/{i:04}.jpg" for i in range(OBJECTS) if i % 2 and i % 7 in (1, 2))
    folded = s3.list_objects_v2(Bucket=labelled, Delimiter="/")
    assert [entry["Prefix"] for entry in folded["CommonPrefixes"]] == ["train/", "val/"]


def test_figures(s3, labelled):
    stats = json.loads(ask(s3, labelled, "stats/class"))
    assert stats["values"] == [{"value": "cat", "count": OBJECTS // 2}, {"value": "dog", "count": OBJECTS // 2}]
    sizes = json.loads(ask(s3, labelled, "stats/object.size/class = 'cat'"))
    assert (sizes["min"], sizes["max"], sizes["mean"]) == (1, OBJECTS - 1, OBJECTS / 2)
    names = [label["name"] for label in json.loads(ask(s3, labelled, "labels"))["labels"]]
    assert names == ["class", "meta.camera", "n"]


def test_bad_and_long_queries(endpoint, s3, labelled):
    with pytest.raises(ClientError) as raised:
        ask(s3, labelled, "query/class = 'cat' AND")
    error = raised.value.response["Error"]
    assert error["Code"] == "InvalidArgument" and "column 18" in error["Message"] and "expected" in error["Message"]
    long = "class = 'cat'"
    while len(long) < 60_000:
        long += " AND NOT \"quoted name\" = '" + "%" * 200 + "'"
    path = f"/{labelled}/.granary/count/{urllib.parse.quote(long)}"
    assert len(path) > 100_000
    reply = endpoint.client().request("GET", path)
    assert reply.status == 200 and json.loads(reply.body) == {"count": OBJECTS // 2}
    assert endpoint.client().request("GET", f"/{labelled}/{'k' * 30_000}").status == 400
