// Sources: what a version keeps of its labels beside its attributes: its annotations (all but their payloads) and what ingest
// rules made of it. And Labeller: from all sources of a version to its labels.
//
// Order   of sources, which decides what the bounds of a version leave out: tags, metadata, rules, annotations by name.
// Format  label_sources.proto; bytes that nobody else understands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/result.h"
#include "storage/labels/label_set.h"
#include "storage/labels/payload.h"

namespace storage::labels {

inline constexpr std::size_t kAnnotationsMax = 1000;      // of a version
inline constexpr std::size_t kVersionValuesMax = 4096;    // indexed values of a version
inline constexpr std::size_t kSourcesBytesMax = 4 * 1024 * 1024 - 4096;  // of encoded sources: they fit into a row

struct Annotation {
  std::string name;
  std::string md5;  // 16 raw bytes: the ETag
  std::uint64_t size = 0;
  std::uint64_t json_length = 0;
  std::uint64_t revision = 0;  // random; names the payload's row
  bool json = false;
  std::int64_t modified_ms = 0;
  std::uint8_t checksum_algorithm = 0;  // ChecksumAlgorithm
  std::vector<std::pair<std::string, Value>> leaves;  // as of Payload
  LeftOut not_indexed;
  bool cut = false;
  bool inlined = false;

  friend bool operator==(const Annotation&, const Annotation&) = default;
};

struct Sources {
  std::vector<Annotation> annotations;  // ascending by name
  std::vector<std::pair<std::string, Value>> rules;  // whole names

  bool empty() const { return annotations.empty() && rules.empty(); }
  // Null: there is none of that name.
  const Annotation* find(std::string_view name) const;
  // Puts it in its place, instead of one of the same name.
  void put(Annotation annotation);
  void remove(std::string_view name);
  // Cuts what is more than a version keeps: leaves beyond its values (counted as not indexed), names of what is not indexed
  // beyond a bound (counted under the annotation's name). Afterwards encode() gives at most kSourcesBytesMax.
  void fit();
  // Whether leaves that were cut may fit now: those of the first such annotation. Null: nothing is cut, or there is no room.
  const Annotation* restorable() const;
};

std::string encode(const Sources& sources);
// Errors: corrupt_record, unsupported. Empty bytes are empty sources.
Result<Sources> decode_sources(const std::string& bytes);

// The labels of one version, and what the bounds leave out of them.
struct Labelled {
  LabelSet labels;
  LeftOut not_indexed;
};

// Adds up sources in the order above; each part is called once for all its entries, in that order.
class Labeller {
 public:
  void tag(std::string_view name, std::string_view value);
  void metadata(std::string_view name, std::string_view value);  // `name` without x-amz-meta-
  void add(const Sources& sources);
  Labelled take() { return std::move(result_); }

 private:
  void text(std::string name, std::string_view value);
  void value(const std::string& name, const Value& value);
  void leave_out(std::string_view name, std::uint32_t values);

  Labelled result_;
  std::size_t values_ = 0;
};

}  // namespace storage::labels
