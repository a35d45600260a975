"""pyarrow's S3FileSystem (aws-sdk-cpp): directories, ranged reads of Parquet, uploads in parts."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from conftest import LARGE, SIZES, payload, sha
from keys import FILE_KEYS


@pytest.fixture
def s3(endpoint):
    return fs.S3FileSystem(access_key=endpoint.access_key, secret_key=endpoint.secret_key, scheme=endpoint.scheme,
                           endpoint_override=endpoint.host, region=endpoint.region, allow_bucket_creation=True,
                           allow_bucket_deletion=True, tls_ca_file_path=endpoint.certificate)


def write(s3, path, data):
    with s3.open_output_stream(path) as stream:
        stream.write(data)


def read(s3, path):
    with s3.open_input_stream(path) as stream:
        return stream.read()


@pytest.mark.parametrize("size", SIZES + [LARGE])
def test_write_and_read(s3, bucket, size):
    data = payload(size)
    write(s3, f"{bucket}/k", data)
    assert s3.get_file_info(f"{bucket}/k").size == size
    assert sha(read(s3, f"{bucket}/k")) == sha(data)


def test_random_reads(s3, bucket):
    data = payload((8 << 20) + 1)
    write(s3, f"{bucket}/k", data)
    numbers = random.Random(7)
    with s3.open_input_file(f"{bucket}/k") as file:
        for _ in range(50):
            offset = numbers.randrange(len(data))
            length = numbers.randrange(1, 100_000)
            assert file.read_at(length, offset) == data[offset:offset + length]


def test_directories_and_names(s3, bucket):
    for i, key in enumerate(FILE_KEYS):
        write(s3, f"{bucket}/d/{key}", payload(300, i))
    for i, key in enumerate(FILE_KEYS):
        assert read(s3, f"{bucket}/d/{key}") == payload(300, i), key
    found = s3.get_file_info(fs.FileSelector(f"{bucket}/d", recursive=True))
    assert sorted(f.path[len(bucket) + 3:] for f in found if f.type == fs.FileType.File) == sorted(FILE_KEYS)
    s3.create_dir(f"{bucket}/empty")
    assert s3.get_file_info(f"{bucket}/empty").type == fs.FileType.Directory
    s3.copy_file(f"{bucket}/d/100%", f"{bucket}/copy")
    s3.move(f"{bucket}/copy", f"{bucket}/moved")
    assert read(s3, f"{bucket}/moved") == payload(300, 0)
    assert s3.get_file_info(f"{bucket}/copy").type == fs.FileType.NotFound
    s3.delete_dir(f"{bucket}/d")
    assert s3.get_file_info(f"{bucket}/d").type == fs.FileType.NotFound


def test_parquet_data_set(s3, bucket):
    import pyarrow.dataset as ds
    table = pa.table({"id": range(100_000), "part": [i % 4 for i in range(100_000)],
                      "text": [f"sample {i}" for i in range(100_000)]})
    ds.write_dataset(table, f"{bucket}/set", filesystem=s3, format="parquet",
                     partitioning=ds.partitioning(pa.schema([("part", pa.int64())]), flavor="hive"))
    back = ds.dataset(f"{bucket}/set", filesystem=s3, format="parquet", partitioning="hive")
    assert back.count_rows() == 100_000
    assert back.to_table(filter=ds.field("part") == 3, columns=["id"])["id"].to_pylist() == list(range(3, 100_000, 4))
    pq.write_table(table, f"{bucket}/one.parquet", filesystem=s3, row_group_size=10_000)
    assert pq.read_table(f"{bucket}/one.parquet", filesystem=s3).equals(table)


def test_buckets(s3):
    s3.create_dir("bucket-of-pyarrow")
    assert s3.get_file_info("bucket-of-pyarrow").type == fs.FileType.Directory
    s3.delete_dir("bucket-of-pyarrow")
    assert s3.get_file_info("bucket-of-pyarrow").type == fs.FileType.NotFound
