// RuleRuns: rules applied to what is there already, `.granary/rules/apply`, object by object in the background.
//
// A run has a row that says how far it is; a restart goes on there. An object is judged as often as it takes: that changes nothing.
// Threads   keep(): one task at a time. Lifetime: the store and the clock outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/error_table.h"
#include "storage/object_store.h"

namespace api {

inline constexpr std::string_view kRuleRunTable = "rule-runs";

struct RuleRun {
  std::string bucket;
  std::uint64_t bucket_id = 0;
  bool done = false;
  std::uint64_t objects = 0;  // judged
  std::uint64_t total = 0;
  std::string after;          // the last key that was

  std::string report() const;
  std::string text() const;
  static std::optional<RuleRun> parse(std::string_view text);
};

class RuleRuns {
 public:
  RuleRuns(storage::ObjectStore& store, storage::Clock& clock) : store_(store), clock_(clock) {}

  // not_found: none was ever started.
  storage::Task<storage::Result<RuleRun>> find(std::uint64_t bucket_id);
  // Begins anew, also where one is under way.
  storage::Task<storage::Result<>> start(storage::BucketInfoPtr bucket);
  // Goes on with all runs, a while each.
  storage::Task<> keep();

 private:
  storage::Task<storage::Result<>> advance(storage::RegistryRow row);

  storage::ObjectStore& store_;
  storage::Clock& clock_;
};

}  // namespace api
