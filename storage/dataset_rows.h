// Keys of the rows of datasets: their one place. Layout in storage/dataset/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/keys.h"

namespace storage::dataset_rows {

// The sealed datasets of a bucket, by name.
std::string dataset(keys::BucketId bucket, std::string_view name);
std::string datasets_prefix(keys::BucketId bucket);
std::optional<std::string> dataset_name(std::string_view row);

// The seal under way in a bucket.
std::string intent(keys::BucketId bucket);
std::string intents_prefix();
std::optional<keys::BucketId> intent_bucket(std::string_view row);

// Versions that were replaced or removed and that a dataset may name, by their holder's 16 bytes.
std::string kept(keys::BucketId bucket, std::string_view holder);
std::string kept_prefix(keys::BucketId bucket);

// Payloads of annotations that were replaced or removed and that a dataset may name.
std::string kept_annotation(keys::BucketId bucket, std::string_view holder, std::string_view name, std::uint64_t revision);
std::string kept_annotations_prefix(keys::BucketId bucket);
struct KeptAnnotation {
  std::string holder;
  std::string name;
  std::uint64_t revision = 0;
};
std::optional<KeptAnnotation> kept_annotation_of(std::string_view row);

// Buckets of which something kept may be named by nobody any more. The value is the bucket's name.
std::string to_sweep(keys::BucketId bucket);
std::string to_sweep_prefix();
std::optional<keys::BucketId> to_sweep_bucket(std::string_view row);

// Who read what of a dataset: receipts, by dataset id, day since the epoch (newest first), user and P.
std::string receipt(std::string_view dataset_id, std::uint64_t day, std::string_view user, std::string_view order);
std::string receipts_prefix(std::string_view dataset_id);
struct ReceiptKey {
  std::uint64_t day = 0;
  std::string user;
  std::string order;
};
std::optional<ReceiptKey> receipt_of(std::string_view row);

// What reference rows of a manifest's blobs call their holder.
std::string holder(std::string_view dataset_id);
// D.B
std::string bucket_name(std::string_view dataset, std::string_view bucket);

}  // namespace storage::dataset_rows
