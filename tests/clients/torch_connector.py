"""What a training job does with s3torchconnector: torch_connector.py BUCKET ENDPOINT; prints what it read as JSON."""

import hashlib
import json
import random
import sys

import torch
from s3torchconnector import (S3Checkpoint, S3ClientConfig, S3IterableDataset, S3MapDataset, S3ReaderConstructor)
from s3torchconnector._s3client import S3Client

REGION = "us-east-1"
CONFIG = S3ClientConfig(force_path_style=True)


def digest(reader):
    return reader.key, hashlib.sha256(reader.read()).hexdigest()


def main(bucket, endpoint):
    where = {"region": REGION, "endpoint": endpoint, "s3client_config": CONFIG}
    prefix = f"s3://{bucket}/train/"
    seen = {}
    data = S3MapDataset.from_prefix(prefix, transform=digest, **where)
    loader = torch.utils.data.DataLoader(data, batch_size=None, shuffle=True, num_workers=2)
    seen["map"] = dict(loader)
    seen["iterable"] = dict(S3IterableDataset.from_prefix(prefix, transform=digest, **where))

    ranged = S3MapDataset.from_prefix(f"{prefix}class 1/0007", transform=lambda reader: reader, **where,
                                      reader_constructor=S3ReaderConstructor.range_based())
    reader = ranged[0]
    reader.seek(100)
    seen["ranged"] = hashlib.sha256(reader.read(500)).hexdigest()

    body = random.Random(5).randbytes((12 << 20) + 7)
    client = S3Client(REGION, endpoint=endpoint, s3client_config=CONFIG)
    writer = client.put_object(bucket, "written")
    for first in range(0, len(body), 1 << 20):
        writer.write(body[first:first + (1 << 20)])
    writer.close()
    seen["expected"] = hashlib.sha256(body).hexdigest()
    seen["written"] = hashlib.sha256(client.get_object(bucket, "written").read()).hexdigest()

    checkpoint = S3Checkpoint(region=REGION, endpoint=endpoint, s3client_config=CONFIG)
    state = {"weight": torch.arange(300_000, dtype=torch.float32).reshape(300, 1000)}
    with checkpoint.writer(f"s3://{bucket}/model.pt") as writer:
        torch.save(state, writer)
    with checkpoint.reader(f"s3://{bucket}/model.pt") as reader:
        seen["checkpoint"] = bool(torch.equal(torch.load(reader)["weight"], state["weight"]))
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
