// What ObjectStore answers about the labels of a bucket's objects: matches of a query, and figures over them. Part of the front
// door (object_store.h).
//
// Seen      current versions that are no delete markers; without a query that names rule.quarantined, none that carries it.
// Order     matches come in key order. Each is asked by brute force before it is answered, so that no answer contradicts itself.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "storage/base/task.h"
#include "storage/labels/label_set.h"
#include "storage/labels/query.h"

namespace storage {

namespace labels {
class OrdinalSet;
}

struct ObjectInfo;

struct LabelQuery {
  labels::QueryPtr query;  // null: all objects
  // Whether the one who asks may know of the version, whose attributes and controls are there; null: all of them. Called on
  // any thread, for every object that may match.
  std::function<bool(const ObjectInfo& version)> readable;
};

struct QueryMatch {
  std::shared_ptr<const ObjectInfo> info;  // without parts
  labels::LabelSet labels;                 // without object.*
};

// The matches of a query, one after the other.
class QueryWalk {
 public:
  virtual ~QueryWalk() = default;
  // The next ones in key order, at most `limit` (at least 1); none: the end.
  virtual Task<Result<std::vector<QueryMatch>>> next(std::size_t limit) = 0;
  // What it took to find them, in a few words.
  virtual std::string plan() const = 0;
};

// Who matches, as of one instant; what figures are about.
struct QueryMatches {
  std::shared_ptr<const labels::OrdinalSet> ordinals;
  std::uint64_t count = 0;
  std::string plan;
};

struct ValueCount {
  labels::Value value;
  std::uint64_t objects = 0;
};

struct LabelStatistics {
  std::uint64_t objects = 0;
  std::uint64_t labelled = 0;  // that have the label at all
  std::uint64_t distinct = 0;  // values
  std::vector<ValueCount> values;  // most frequent first, then ascending; at most kStatisticsValuesMax
  // Over all pairs of object and distinct number; none without numbers.
  std::optional<double> min;
  std::optional<double> max;
  std::optional<double> mean;
  std::uint64_t not_indexed = 0;
};
inline constexpr std::size_t kStatisticsValuesMax = 1000;

// What there is of one label.
struct LabelSummary {
  std::string name;
  bool booleans = false;
  bool numbers = false;
  bool strings = false;
  std::uint64_t values = 0;   // distinct
  std::uint64_t objects = 0;  // that have it
  std::uint64_t not_indexed = 0;
};

struct LabelSummaryPage {
  std::vector<LabelSummary> labels;  // by name; those that no match has are left out
  std::optional<std::string> next;   // pass as `after` for the next page
};

}  // namespace storage
