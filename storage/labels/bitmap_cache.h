// BitmapCache: bitmaps of who carries what, derived from posting rows and kept true by every commit (invariant 16).
//
// Truth     build() registers first and then scans: what commits meanwhile is logged and replayed over the scan, so a bitmap
//           equals the rows once it is there. One commit is atomic to match(): bitmaps that it gives are of one instant.
// Doubt     where several values may satisfy a term, the removal of one does not tell whether another is left: such an ordinal
//           stays, as one that has to be asked. With too many of them the bitmap is dropped.
// Memory    bytes_max, of all bitmaps together; what was asked for longest ago goes. kEntriesMax bitmaps.
// Threads   any. Lifetime: the metadata store outlives it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "storage/base/task.h"
#include "storage/labels/match.h"
#include "storage/labels/posting_listener.h"
#include "storage/labels/query.h"
#include "storage/metadata/metadata_store.h"

namespace storage::labels {

// What a bitmap can be of.
struct Term {
  enum class Kind : std::uint8_t {
    present,  // the key has a current version that is no delete marker
    value,    // the label `name` has the one of node.values
    some,     // some value satisfies `node`, which is no fact's
  };
  Kind kind = Kind::present;
  NameId name = 0;
  QueryNode node;  // of value: compare equal

  static Term present() { return {}; }
  static Term value(NameId name, Value value);
  static Term of(NameId name, QueryNode node);

  std::string text() const;  // equal for equal terms of a bucket
};

class BitmapCache final : public PostingListener {
 public:
  static constexpr std::size_t kEntriesMax = 4096;

  BitmapCache(metadata::MetadataStore& metadata, std::size_t bytes_max);
  ~BitmapCache() override;

  // Whether match() would know the term; a hit counts as use.
  bool has(BucketId bucket, const Term& term);
  // How many ordinals a known term has; nullopt: unknown.
  std::optional<std::uint64_t> size_of(BucketId bucket, const Term& term);

  enum class Built : std::uint8_t { known, too_large };
  // Makes the term known, unless it has more than `rows_max` postings (0: no bound). Adds the rows it read to
  // `rows`, which the caller's frame outlives. Errors: overloaded (the bucket changes too fast), the metadata store's.
  Task<Result<Built>> build(BucketId bucket, Term term, std::uint64_t rows_max, std::uint64_t& rows);

  // What is known of all terms at one instant, in order; nullopt for a term that is not known.
  std::vector<std::optional<Match>> match(BucketId bucket, const std::vector<Term>& terms);

  void apply(BucketId bucket, std::span<const PostingChange> changes) override;
  void forget(BucketId bucket) override;

  std::uint64_t bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace storage::labels
