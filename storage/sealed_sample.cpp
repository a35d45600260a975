#include "storage/sealed_sample.h"

#include "storage/labels/label_sources.h"

namespace storage {
namespace {

std::vector<std::pair<std::string, std::string>> pairs(
    const google::protobuf::RepeatedPtrField<records::NameValue>& entries) {
  std::vector<std::pair<std::string, std::string>> result;
  result.reserve(static_cast<std::size_t>(entries.size()));
  for (const auto& entry : entries) result.emplace_back(entry.name(), entry.value());
  return result;
}

}  // namespace

Result<dataset::SampleFacts> sample_facts(const std::string& key, const records::Version& version,
                                          const std::string& sources) {
  auto decoded = labels::decode_sources(sources);
  if (!decoded) return decoded.error();
  dataset::SampleFacts facts;
  facts.key = key;
  facts.version = version.version_id().empty() ? "null" : version.version_id();
  facts.etag = hex(version.md5());
  if (version.part_count() > 0) facts.etag += '-' + std::to_string(version.part_count());
  facts.size = version.size();
  facts.content_type = version.attributes().content_type();
  facts.tags = pairs(version.attributes().tags());
  facts.metadata = pairs(version.attributes().user_metadata());
  for (const auto& [name, value] : decoded->rules) facts.rule_labels.add(name, value);
  for (const labels::Annotation& each : decoded->annotations) {
    facts.annotations.push_back({each.name, hex(each.md5), each.json_length});
  }
  labels::Labeller labeller;
  for (const auto& [name, value] : facts.tags) labeller.tag(name, value);
  for (const auto& [name, value] : facts.metadata) labeller.metadata(name, value);
  labeller.add(*decoded);
  facts.labels = std::move(labeller.take().labels);
  return facts;
}

records::SealedSample sealed_record(const std::string& key, const records::Version& version, const std::string& sources) {
  records::SealedSample record;
  record.set_key(key);
  *record.mutable_version() = version;
  record.mutable_version()->clear_extent();
  record.mutable_version()->clear_labels();
  record.mutable_version()->clear_labels_row();
  record.mutable_version()->clear_rename_token();
  record.set_labels(sources);
  return record;
}

Result<SealedSamplePtr> decode_sample(std::uint64_t index, records::SealedSample record) {
  auto facts = sample_facts(record.key(), record.version(), record.labels());
  if (!facts) return facts.error();
  auto sample = std::make_shared<SealedSample>();
  sample->index = index;
  sample->info = std::make_shared<const ObjectInfo>(object_info(record.key(), record.version()));
  sample->facts = std::move(*facts);
  sample->record = std::make_shared<const records::SealedSample>(std::move(record));
  return SealedSamplePtr(std::move(sample));
}

}  // namespace storage
