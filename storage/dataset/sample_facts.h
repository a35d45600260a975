// SampleFacts: what a dataset says of one of its samples, and the texts and digests that are made of it.
//
// Format   the texts are part of the format of a sealed dataset: their lengths are sealed with it. Byte by byte in README.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/labels/label_set.h"

namespace storage::dataset {

struct AnnotationFacts {
  std::string name;
  std::string etag;               // 32 hex digits
  std::uint64_t json_bytes = 0;   // of the payload as JSON: itself if it is JSON, else as a string
};

struct SampleFacts {
  std::string key;
  std::string version;  // an id, or "null"
  std::string etag;     // without quotes
  std::uint64_t size = 0;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> tags;
  std::vector<std::pair<std::string, std::string>> metadata;  // names without x-amz-meta-
  labels::LabelSet rule_labels;                                // those that ingest rules gave
  std::vector<AnnotationFacts> annotations;                    // ascending by name
  labels::LabelSet labels;                                     // all, but for object.*
};

// {"index":0,"key":...,"version":...,"size":...,"etag":...,"labels":{...}} and a newline.
std::string manifest_json_line(std::uint64_t index, const SampleFacts& facts);
// RFC 4180: index,key,version,size,etag,labels and CR LF; the labels as JSON text.
std::string manifest_csv_line(std::uint64_t index, const SampleFacts& facts);
std::string manifest_csv_header();
// {"position":...,"index":...,"key":...} and a newline.
std::string order_line(std::uint64_t position, std::uint64_t index, std::string_view key);

// {"key","version","labels","annotations","tags","meta"}: the labels of a tar's sample. `payloads` are JSON texts, one an
// annotation, in order.
std::string sample_json(const SampleFacts& facts, const std::vector<std::string>& payloads);
std::uint64_t sample_json_bytes(const SampleFacts& facts);

// The digest of a dataset: SHA-256 over the canonical bytes of its samples in order.
class DatasetDigest {
 public:
  DatasetDigest();
  ~DatasetDigest();
  void add(const SampleFacts& facts);
  // 32 raw bytes. Once, after the last add().
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What DatasetDigest takes of one sample.
std::string canonical_bytes(const SampleFacts& facts);

}  // namespace storage::dataset
