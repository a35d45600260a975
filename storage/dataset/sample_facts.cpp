#include "storage/dataset/sample_facts.h"

#include <openssl/evp.h>

#include <algorithm>

#include "storage/base/check.h"

namespace storage::dataset {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

void append_member(std::string& to, std::string_view name, std::string_view value) {
  labels::append_json(to, name);
  to += ':';
  labels::append_json(to, value);
}

void append_pairs(std::string& to, Pairs pairs) {
  std::sort(pairs.begin(), pairs.end());
  to += '{';
  bool first = true;
  for (const auto& [name, value] : pairs) {
    if (!first) to += ',';
    first = false;
    append_member(to, name, value);
  }
  to += '}';
}

// A field that has what would end it goes in quotes, and quotes inside are doubled.
void append_csv(std::string& to, std::string_view field) {
  if (field.find_first_of("\",\r\n") == std::string_view::npos) {
    to += field;
    return;
  }
  to += '"';
  for (const char c : field) {
    if (c == '"') to += '"';
    to += c;
  }
  to += '"';
}

// sample_json() but for the payloads, and where they go.
std::string sample_json_frame(const SampleFacts& facts, const std::vector<std::string>& payloads) {
  std::string text = "{";
  append_member(text, "key", facts.key);
  text += ',';
  append_member(text, "version", facts.version);
  text += ",\"labels\":";
  text += facts.labels.to_json();
  text += ",\"annotations\":{";
  for (std::size_t i = 0; i < facts.annotations.size(); ++i) {
    if (i > 0) text += ',';
    labels::append_json(text, std::string_view(facts.annotations[i].name));
    text += ':';
    if (i < payloads.size()) text += payloads[i];
  }
  text += "},\"tags\":";
  append_pairs(text, facts.tags);
  text += ",\"meta\":";
  append_pairs(text, facts.metadata);
  return text += '}';
}

void append_u64(std::string& to, std::uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) to += static_cast<char>(number >> shift);
}

void append_text(std::string& to, std::string_view text) {
  append_u64(to, text.size());
  to += text;
}

void append_sorted(std::string& to, Pairs pairs) {
  std::sort(pairs.begin(), pairs.end());
  append_u64(to, pairs.size());
  for (const auto& [name, value] : pairs) {
    append_text(to, name);
    append_text(to, value);
  }
}

}  // namespace

std::string manifest_json_line(std::uint64_t index, const SampleFacts& facts) {
  std::string line = "{\"index\":" + std::to_string(index) + ',';
  append_member(line, "key", facts.key);
  line += ',';
  append_member(line, "version", facts.version);
  line += ",\"size\":" + std::to_string(facts.size) + ',';
  append_member(line, "etag", facts.etag);
  line += ",\"labels\":";
  line += facts.labels.to_json();
  return line += "}\n";
}

std::string manifest_csv_header() { return "index,key,version,size,etag,labels\r\n"; }

std::string manifest_csv_line(std::uint64_t index, const SampleFacts& facts) {
  std::string line = std::to_string(index) + ',';
  append_csv(line, facts.key);
  line += ',';
  append_csv(line, facts.version);
  line += ',' + std::to_string(facts.size) + ',';
  append_csv(line, facts.etag);
  line += ',';
  append_csv(line, facts.labels.to_json());
  return line += "\r\n";
}

std::string order_line(std::uint64_t position, std::uint64_t index, std::string_view key) {
  std::string line = "{\"position\":" + std::to_string(position) + ",\"index\":" + std::to_string(index) + ',';
  append_member(line, "key", key);
  return line += "}\n";
}

std::string sample_json(const SampleFacts& facts, const std::vector<std::string>& payloads) {
  return sample_json_frame(facts, payloads);
}

std::uint64_t sample_json_bytes(const SampleFacts& facts) {
  std::uint64_t bytes = sample_json_frame(facts, {}).size();
  for (const AnnotationFacts& each : facts.annotations) bytes += each.json_bytes;
  return bytes;
}

std::string canonical_bytes(const SampleFacts& facts) {
  std::string bytes;
  append_text(bytes, facts.key);
  append_text(bytes, facts.version);
  append_text(bytes, facts.etag);
  append_u64(bytes, facts.size);
  append_text(bytes, facts.content_type);
  append_sorted(bytes, facts.tags);
  append_sorted(bytes, facts.metadata);
  append_u64(bytes, facts.rule_labels.all().size());
  for (const auto& [name, values] : facts.rule_labels.all()) {
    append_text(bytes, name);
    append_u64(bytes, values.size());
    for (const labels::Value& value : values) append_text(bytes, labels::encode_ordered(value));
  }
  append_u64(bytes, facts.annotations.size());
  for (const AnnotationFacts& each : facts.annotations) {
    append_text(bytes, each.name);
    append_text(bytes, each.etag);
  }
  return bytes;
}

struct DatasetDigest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }

  void update(std::string_view bytes) { CHECK(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1); }
};

DatasetDigest::DatasetDigest() : state_(std::make_unique<State>()) {
  CHECK(state_->context != nullptr);
  CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
  state_->update(std::string_view("granary-dataset-1\0", 18));
}

DatasetDigest::~DatasetDigest() = default;

void DatasetDigest::add(const SampleFacts& facts) { state_->update(canonical_bytes(facts)); }

std::string DatasetDigest::finish() {
  std::string digest(32, '\0');
  unsigned length = 0;
  CHECK(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(digest.data()), &length) == 1);
  return digest;
}

}  // namespace storage::dataset
