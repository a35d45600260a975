#!/usr/bin/env python3
"""The main job: a labelled set of images goes into the store, and a classifier is trained from there.

    train.py --endpoint http://127.0.0.1:9000 [--bucket digits] [--remove-drive DIRECTORY]
    Credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY

1. The 1,797 digits of scikit-learn are uploaded as PNG files by 16 threads, class and split as tags.
2. They are listed, and their tags read back.
3. A PyTorch DataLoader with worker processes reads each batch from the store, in random order, in every epoch.
4. With --remove-drive, that directory is deleted after half of the epochs; nothing else may change.
5. Accuracy on the hold-out must be over 95 %; every sample that was read must be, by hash, what was uploaded.
"""

import argparse
import concurrent.futures
import hashlib
import io
import os
import random
import shutil
import sys
import time

import boto3
import numpy
import torch
from botocore.config import Config
from PIL import Image
from sklearn.datasets import load_digits

EPOCHS = 6
BATCH = 64
UPLOAD_THREADS = 16
HOLD_OUT_SHARE = 0.2
ACCURACY_LEAST = 0.95
PREFIX = "digits/"


def connect(endpoint, region, certificate):
    return boto3.client("s3", endpoint_url=endpoint, region_name=region, verify=certificate,
                        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4",
                                      max_pool_connections=UPLOAD_THREADS))


def png_files():
    """(key, PNG bytes, class, split) of each digit; the split is drawn from a fixed seed."""
    digits = load_digits()
    numbers = random.Random(20)
    for i, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        file = io.BytesIO()
        Image.fromarray((image * 15).astype(numpy.uint8)).save(file, "PNG")
        split = "test" if numbers.random() < HOLD_OUT_SHARE else "train"
        yield f"{PREFIX}{i:04}.png", file.getvalue(), int(label), split


def upload(s3, bucket):
    """Uploads everything; returns {key: SHA-256}."""
    def one(item):
        key, data, label, split = item
        s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType="image/png", Tagging=f"class={label}&split={split}")
        return key, hashlib.sha256(data).hexdigest()
    with concurrent.futures.ThreadPoolExecutor(UPLOAD_THREADS) as pool:
        return dict(pool.map(one, png_files()))


def read_labels(s3, bucket):
    """The listing and every object's tags: {split: [(key, class)]}."""
    keys = [entry["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX)
            for entry in page.get("Contents", [])]

    def one(key):
        return key, {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}
    splits = {"train": [], "test": []}
    with concurrent.futures.ThreadPoolExecutor(UPLOAD_THREADS) as pool:
        for key, tags in pool.map(one, keys):
            splits[tags["split"]].append((key, int(tags["class"])))
    return splits


class Images(torch.utils.data.Dataset):
    """Reads a sample from the store each time it is asked for; each worker process has its own client."""

    def __init__(self, where, bucket, samples, hashes):
        self.where, self.bucket, self.samples, self.hashes = where, bucket, samples, hashes
        self.client = None

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        if self.client is None:
            self.client = connect(*self.where)
        key, label = self.samples[index]
        data = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        if hashlib.sha256(data).hexdigest() != self.hashes[key]:
            raise RuntimeError(f"{key} is not what was uploaded")
        pixels = numpy.asarray(Image.open(io.BytesIO(data)), dtype=numpy.float32) / 255
        return torch.from_numpy(pixels).unsqueeze(0), label


def make_model():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(32, 64, 3, padding=1), torch.nn.ReLU(),
        torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(64 * 16, 128), torch.nn.ReLU(),
        torch.nn.Linear(128, 10))


def train(loader, before_epoch):
    torch.manual_seed(1)
    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=EPOCHS * len(loader))
    for epoch in range(EPOCHS):
        before_epoch(epoch)
        begin, total, count = time.monotonic(), 0.0, 0
        for images, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total, count = total + loss.item() * len(labels), count + len(labels)
        rate = count / (time.monotonic() - begin)
        print(f"epoch {epoch + 1}: loss {total / count:.3f}, {rate:.0f} samples/s", flush=True)
    return model


def accuracy(model, loader):
    right = count = 0
    with torch.no_grad():
        for images, labels in loader:
            right += int((model(images).argmax(1) == labels).sum())
            count += len(labels)
    return right / count


def run(endpoint, bucket, region="us-east-1", certificate=None, remove_drive=None, workers=2):
    """The whole job. Returns the accuracy on the hold-out."""
    where = (endpoint, region, certificate)
    s3 = connect(*where)
    s3.create_bucket(Bucket=bucket)
    begin = time.monotonic()
    hashes = upload(s3, bucket)
    print(f"uploaded {len(hashes)} images in {time.monotonic() - begin:.1f} s", flush=True)
    splits = read_labels(s3, bucket)
    if {key for split in splits.values() for key, _ in split} != set(hashes):
        raise RuntimeError("the listing is not what was uploaded")
    print(f"{len(splits['train'])} to train, {len(splits['test'])} held out", flush=True)

    def before_epoch(epoch):
        if remove_drive and epoch == EPOCHS // 2:
            shutil.rmtree(remove_drive)
            print(f"removed {remove_drive}", flush=True)

    def loader(split, shuffle):
        data = Images(where, bucket, splits[split], hashes)
        return torch.utils.data.DataLoader(data, BATCH, shuffle=shuffle, num_workers=workers,
                                           persistent_workers=workers > 0)
    model = train(loader("train", True), before_epoch)
    return accuracy(model, loader("test", False))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", default=os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:9000"))
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--bucket", default="digits")
    parser.add_argument("--certificate", help="PEM file of the authority to trust, for https")
    parser.add_argument("--remove-drive", metavar="DIRECTORY", help="delete this drive of the store half-way")
    parser.add_argument("--workers", type=int, default=2, help="processes of the data loader")
    arguments = parser.parse_args()
    reached = run(arguments.endpoint, arguments.bucket, arguments.region, arguments.certificate,
                  arguments.remove_drive, arguments.workers)
    print(f"accuracy on the hold-out {reached:.1%}")
    return 0 if reached > ACCURACY_LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
