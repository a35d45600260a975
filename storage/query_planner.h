// QueryPlanner: from a query to who may match it, by bitmaps of one instant.
//
// Cost      terms that few objects carry are read whole (at most kProbeRows rows each); next to such a term of an AND, larger
//           ones are not read at all: who is left is asked one by one. The rest gets bitmaps, which stay (BitmapCache).
// Facts     (object.*) have no bitmaps; a key or its beginning narrows where to look.
// Threads   any. Lifetime: index and bitmaps outlive it.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "storage/key_locks.h"
#include "storage/label_index.h"
#include "storage/labels/bitmap_cache.h"

namespace storage {

struct QueryPlan {
  labels::QueryPtr query;
  labels::Match match;
  std::string key_prefix;      // all matches begin so
  std::uint64_t terms = 0;     // about labels
  std::uint64_t from_rows = 0; // of them: read for this query
  std::uint64_t unread = 0;    // of them: left to asking each object
  std::uint64_t rows = 0;      // postings that were read

  std::string text() const;    // for x-granary-plan
};

class QueryPlanner {
 public:
  static constexpr std::uint64_t kProbeRows = 4096;

  QueryPlanner(LabelIndex& index, labels::BitmapCache& bitmaps) : index_(index), bitmaps_(bitmaps) {}

  enum class Wanted : std::uint8_t {
    candidates,  // who may match; `perhaps` may be everybody but some
    listed,      // the same, and never everybody but some
  };
  Task<Result<QueryPlan>> plan(labels::BucketId bucket, labels::QueryPtr query, Wanted wanted);

 private:
  // What the terms of one query have to do with bitmaps.
  struct Leaf {
    bool fact = false;
    std::string name;
    std::optional<labels::NameId> id;  // none: nobody carries the label
    std::vector<labels::Term> terms;   // whoever has one of them
  };
  struct Planning {
    labels::BucketId bucket = 0;
    labels::QueryPtr query;
    std::vector<Leaf> leaves;  // by node
  };

  Task<Result<>> name_leaves(Planning& planning);
  Task<Result<>> probe(Planning& planning, QueryPlan& plan);
  // At most how many match, as far as bitmaps tell; UINT64_MAX: unknown.
  std::uint64_t estimate(const Planning& planning, std::uint32_t node);
  void collect(const Planning& planning, std::uint32_t node, std::vector<labels::Term>& wanted);
  Task<Result<>> build(Planning& planning, std::vector<labels::Term> wanted, QueryPlan& plan);
  labels::Match combine(const Planning& planning, std::uint32_t node, const std::vector<std::optional<labels::Match>>& known,
                        const std::vector<std::size_t>& first_term);
  labels::Match match_now(const Planning& planning, QueryPlan& plan, bool among_present);

  bool is_large(labels::BucketId bucket, const labels::Term& term);
  void note_large(labels::BucketId bucket, const labels::Term& term);

  static constexpr std::size_t kLargeMax = 65'536;

  LabelIndex& index_;
  labels::BitmapCache& bitmaps_;
  KeyLocks builds_;  // so that a bitmap that many want is built once
  std::mutex mutex_;
  std::unordered_set<std::string> large_;  // terms with more than kProbeRows postings when last looked
};

}  // namespace storage
