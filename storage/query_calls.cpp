// ObjectStore: pages, walks and sets of what matches a query.
#include <algorithm>

#include "storage/query_walk.h"

namespace storage {
namespace {

namespace rows = labels::rows;

// Folds matches in key order into the entries of a page.
class QueryPage {
 public:
  QueryPage(const ListOptions& options, ObjectPage& page) : options_(options), page_(page) {}

  bool in_common_prefix(const std::string& key) const { return !prefix_.empty() && key.starts_with(prefix_); }
  const std::string& common_prefix() const { return prefix_; }

  // False: the page is full.
  bool add(QueryMatch match) {
    const std::string& key = match.info->key;
    std::string prefix;
    if (!options_.delimiter.empty()) {
      const std::size_t at = key.find(options_.delimiter, options_.prefix.size());
      if (at != std::string::npos) prefix = key.substr(0, at + options_.delimiter.size());
    }
    if (!prefix.empty() && prefix <= options_.after) {
      prefix_ = std::move(prefix);
      return true;
    }
    if (page_.objects.size() + page_.common_prefixes.size() == options_.entries_max) {
      page_.truncated = true;
      page_.next_after = last_;
      return false;
    }
    if (prefix.empty()) {
      last_ = key;
      page_.objects.push_back(std::move(match.info));
    } else {
      prefix_ = prefix;
      last_ = prefix;
      page_.common_prefixes.push_back(std::move(prefix));
    }
    return true;
  }

 private:
  const ListOptions& options_;
  ObjectPage& page_;
  std::string prefix_;  // all beneath it is dealt with
  std::string last_;
};

}  // namespace

Task<Result<ObjectPage>> ObjectStore::query_page(std::string bucket_name, LabelQuery query, ListOptions options,
                                                 std::string* plan) {
  if (options.entries_max > kListEntriesMax) co_return Errc::invalid_argument;
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  ObjectPage page;
  if (options.entries_max == 0) co_return page;
  query.query = labels::without_quarantined(std::move(query.query));
  auto planned = co_await state_->planner.plan((*bucket)->id, query.query, QueryPlanner::Wanted::candidates);
  if (!planned) co_return planned.error();
  MatchWalk::Scope scope;
  scope.prefix = options.prefix;
  scope.after = options.after;
  scope.page = options.entries_max;
  MatchWalk walk(*state_, (*bucket)->id, std::move(*planned), std::move(query), std::move(scope));
  QueryPage folded(options, page);
  // Beneath a delimiter most matches fold away: then few are asked for at a time.
  const std::size_t step = options.delimiter.empty() ? options.entries_max + 1 : 32;
  bool more = true;
  while (more) {
    auto matches = co_await walk.next(step);
    if (!matches) co_return matches.error();
    if (matches->empty()) break;
    for (QueryMatch& match : *matches) {
      if (folded.in_common_prefix(match.info->key)) continue;
      more = folded.add(std::move(match));
      if (!more) break;
    }
    if (!folded.common_prefix().empty()) walk.skip(folded.common_prefix());
  }
  if (plan != nullptr) *plan = walk.plan();
  co_return page;
}

Task<Result<std::unique_ptr<QueryWalk>>> ObjectStore::query_walk(std::string bucket_name, LabelQuery query) {
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  query.query = labels::without_quarantined(std::move(query.query));
  auto planned = co_await state_->planner.plan((*bucket)->id, query.query, QueryPlanner::Wanted::candidates);
  if (!planned) co_return planned.error();
  std::unique_ptr<QueryWalk> walk =
      std::make_unique<MatchWalk>(*state_, (*bucket)->id, std::move(*planned), std::move(query), MatchWalk::Scope());
  co_return walk;
}

namespace {

// Who of `undecided` matches, asked one by one.
Task<Result<>> ask_each(ObjectStore::State& state, keys::BucketId bucket, LabelQuery query, labels::OrdinalSet undecided,
                        labels::OrdinalSet& matches) {
  labels::Ordinal from = 0;
  constexpr std::size_t kStep = 1000;
  while (true) {
    const std::vector<labels::Ordinal> ordinals = undecided.slice(from, kStep);
    if (ordinals.empty()) co_return success();
    from = ordinals.back() + 1;
    for (const labels::Ordinal ordinal : ordinals) {
      auto row = co_await state.metadata.get(rows::object(bucket, ordinal));
      if (!row && row.error() == Errc::not_found) continue;
      if (!row) co_return row.error();
      const std::string row_key = keys::head(bucket, row->value);
      auto record = co_await look_at_head(state, row_key, row->value);
      if (!record && record.error() == Errc::not_found) continue;
      if (!record) co_return record.error();
      const ObjectInfo& info = *(*record)->info;
      if (info.delete_marker || (query.readable && !query.readable(info))) continue;
      auto labelled = co_await state.labels_of(bucket, *record);
      if (!labelled && labelled.error() == Errc::conflict) continue;  // replaced just now, under another state of it
      if (!labelled) co_return labelled.error();
      if (labels::holds(*query.query, labelled->labels, facts_of(info))) matches.add(ordinal);
    }
  }
}

// Who matches, found by going through all that may.
Task<Result<>> walk_all(MatchWalk& walk, labels::OrdinalSet& matches) {
  constexpr std::size_t kStep = 1000;
  while (true) {
    auto found = co_await walk.next(kStep);
    if (!found) co_return found.error();
    if (found->empty()) co_return success();
    matches.add_all(walk.ordinals());
  }
}

}  // namespace

Task<Result<QueryMatches>> ObjectStore::query_matches(std::string bucket_name, LabelQuery query) {
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  const keys::BucketId id = (*bucket)->id;
  query.query = labels::without_quarantined(std::move(query.query));
  auto planned = co_await state_->planner.plan(id, query.query, QueryPlanner::Wanted::candidates);
  if (!planned) co_return planned.error();
  if (planned->match.exact() && planned->match.perhaps.inverted && !query.readable) {
    planned = co_await state_->planner.plan(id, query.query, QueryPlanner::Wanted::listed);
    if (!planned) co_return planned.error();
  }
  QueryMatches matches;
  matches.plan = planned->text();
  const labels::Side& surely = planned->match.surely;
  const labels::Side& perhaps = planned->match.perhaps;
  if (planned->match.exact() && !query.readable && !perhaps.inverted) {
    matches.ordinals = perhaps.set;
    matches.count = perhaps.set->size();
    co_return matches;
  }
  auto found = std::make_shared<labels::OrdinalSet>();
  labels::OrdinalSet undecided;
  bool few = !perhaps.inverted && !surely.inverted && !query.readable;
  if (few) {
    undecided = *perhaps.set;
    undecided -= *surely.set;
    constexpr std::uint64_t kFewOf = 8;  // it pays to ask these alone when they are less than an eighth
    few = undecided.size() < perhaps.set->size() / kFewOf;
  }
  Result<> done = success();
  if (few) {
    *found |= *surely.set;
    done = co_await ask_each(*state_, id, std::move(query), std::move(undecided), *found);
  } else {
    MatchWalk walk(*state_, id, std::move(*planned), std::move(query), MatchWalk::Scope());
    done = co_await walk_all(walk, *found);
    matches.plan = walk.plan();
  }
  if (!done) co_return done.error();
  matches.count = found->size();
  matches.ordinals = std::move(found);
  co_return matches;
}

}  // namespace storage
