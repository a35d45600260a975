// IngestRules: what a bucket says of objects that come in: labels by the shape of their keys, checks, and what follows where one
// fails. The document and its errors: parse().
//
// Threads   any; immutable once parsed. Cost of a judgement: one match of each pattern with the key, linear in both (RE2).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/error_table.h"
#include "storage/object_store.h"

namespace api {

inline constexpr std::string_view kIngestRulesSetting = "ingest-rules";  // in storage::BucketInfo::settings
inline constexpr std::size_t kIngestRulesBytesMax = 64 * 1024;
inline constexpr std::size_t kIngestRulesMax = 100;

class IngestRules {
 public:
  // Errors: InvalidArgument with a sentence, NotImplemented for a check that is not built.
  static Outcome<std::shared_ptr<const IngestRules>> parse(std::string_view text);

  // What the rules make of an object with this key and size.
  struct Judgement {
    storage::RuleLabels labels;  // distinct
    std::string refusal;  // not empty: the object shall not be; which rule and check said so
  };
  // `refuses`: whether rules may; else their failures are labels.
  Judgement judge(std::string_view key, std::uint64_t size, bool refuses) const;
  bool empty() const { return rules_.empty(); }

  ~IngestRules();

 private:
  struct Rule;
  IngestRules();
  std::vector<Rule> rules_;
};

// Of a stored setting; null where it is empty.
std::shared_ptr<const IngestRules> stored_ingest_rules(std::string_view text);

}  // namespace api
