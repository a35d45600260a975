// MatchWalk: the matches of a planned query in key order. Inside of the store.
//
// Cost      few candidates are looked up and sorted by key; of many the heads are read in key order, and only those are asked
//           that are candidates.
// Lifetime  the state outlives it.
#pragma once

#include <string>
#include <vector>

#include "storage/object_store_state.h"

namespace storage {

class MatchWalk final : public QueryWalk {
 public:
  // Matches beneath `prefix` with key > after.
  //   page  how many are wanted for now; UINT64_MAX: all of them
  struct Scope {
    std::string prefix;
    std::string after;
    std::uint64_t page = UINT64_MAX;
  };

  MatchWalk(ObjectStore::State& state, keys::BucketId bucket, QueryPlan plan, LabelQuery query, Scope scope);

  Task<Result<std::vector<QueryMatch>>> next(std::size_t limit) override;
  std::string plan() const override;

  // Those of the matches that the last next() gave, in the same order.
  const std::vector<labels::Ordinal>& ordinals() const { return ordinals_; }

  // Leaves out what is left beneath `prefix`.
  void skip(const std::string& prefix);

 private:
  enum class Way : std::uint8_t { undecided, by_key, by_head };

  Task<Result<>> decide();
  // Leaves the way as it is where there is more than may be sorted.
  Task<Result<>> sort_candidates();
  Task<Result<>> next_by_key(std::size_t limit, std::vector<QueryMatch>& matches);
  Task<Result<>> read_heads();
  Task<Result<>> next_by_head(std::size_t limit, std::vector<QueryMatch>& matches);
  // Adds the object if it matches.
  Task<Result<>> ask(HeadRecordPtr record, std::vector<QueryMatch>& matches);

  ObjectStore::State& state_;
  keys::BucketId bucket_;
  QueryPlan plan_;
  LabelQuery query_;
  Scope scope_;
  Way way_ = Way::undecided;
  SortedMatches::Keys keys_;       // by_key: those left from next_key_ on
  std::size_t next_key_ = 0;
  metadata::KeyRange range_;       // by_head: what is not read yet
  metadata::Page page_;            // what is read
  std::size_t at_ = 0;             // of its entries, the first that nobody has looked at
  std::vector<labels::Ordinal> ordinals_;
  bool last_page_ = false;         // nothing is left behind page_
  bool ended_ = false;
  std::uint64_t heads_ = 0;        // that were read
};

// The facts of a version, which outlives them.
labels::ObjectFacts facts_of(const ObjectInfo& info);

// A current version by its row; from memory where it is there, without taking room there.
Task<Result<HeadRecordPtr>> look_at_head(ObjectStore::State& state, std::string row_key, std::string key);

}  // namespace storage
