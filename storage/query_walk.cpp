#include "storage/query_walk.h"

#include <algorithm>

namespace storage {
namespace {

namespace rows = labels::rows;

constexpr std::uint32_t kRowsPerScan = 1000;
// Looking up an ordinal's key and its head costs about as much as reading so many heads in a row.
constexpr std::uint64_t kLookupCost = 8;
// At most so much is sorted.
constexpr std::uint64_t kSortedMax = 262'144;
constexpr std::string_view kDefaultType = "binary/octet-stream";  // of objects whose client named none

}  // namespace

labels::ObjectFacts facts_of(const ObjectInfo& info) {
  labels::ObjectFacts facts;
  facts.key = info.key;
  facts.size = info.size;
  facts.modified_ms = info.modified_ms;
  facts.type = info.attributes.content_type.empty() ? kDefaultType : std::string_view(info.attributes.content_type);
  facts.etag = info.etag;
  return facts;
}

Task<Result<HeadRecordPtr>> look_at_head(ObjectStore::State& state, std::string row_key, std::string key) {
  RecordCache<HeadRecord>::Ticket ticket;
  if (HeadRecordPtr cached = state.heads.get(row_key, ticket)) co_return cached;
  auto entry = co_await state.metadata.get(row_key);
  if (!entry) co_return entry.error();
  co_return decode_head(key, *entry);
}

MatchWalk::MatchWalk(ObjectStore::State& state, keys::BucketId bucket, QueryPlan plan, LabelQuery query, Scope scope)
    : state_(state), bucket_(bucket), plan_(std::move(plan)), query_(std::move(query)), scope_(std::move(scope)) {
  // What the query says of keys and what the listing says narrow each other, or leave nothing.
  if (plan_.key_prefix.starts_with(scope_.prefix)) {
    scope_.prefix = plan_.key_prefix;
  } else if (!scope_.prefix.starts_with(plan_.key_prefix)) {
    ended_ = true;
  }
  if (plan_.match.perhaps.none()) ended_ = true;
  range_ = metadata::prefix_range(keys::head_prefix(bucket_, scope_.prefix));
  if (!scope_.after.empty()) range_.begin = std::max(range_.begin, keys::head(bucket_, scope_.after) + '\0');
}

std::string MatchWalk::plan() const {
  constexpr std::string_view kWays[] = {"none", "keys", "heads"};
  return plan_.text() + "; by=" + std::string(kWays[static_cast<std::size_t>(way_)]) + "; heads=" + std::to_string(heads_);
}

Task<Result<>> MatchWalk::decide() {
  way_ = Way::by_head;
  const labels::Side& perhaps = plan_.match.perhaps;
  if (perhaps.inverted) co_return success();
  const std::uint64_t candidates = perhaps.set->size();
  if (candidates > kSortedMax) co_return success();
  auto row = co_await state_.metadata.get(keys::object_count(bucket_));
  if (!row) co_return row.error();
  auto versions = metadata::counter_value(row->value);
  if (!versions) co_return versions.error();
  // Reading heads in key order finds a candidate in every (versions / candidates).
  const auto all = static_cast<std::uint64_t>(std::max<std::int64_t>(*versions, 0));
  std::uint64_t heads = all;
  if (scope_.page < candidates) heads = std::min(heads, scope_.page * (all / candidates + 1));
  if (candidates * kLookupCost > heads + kRowsPerScan) co_return success();
  co_return co_await sort_candidates();
}

Task<Result<>> MatchWalk::sort_candidates() {
  const labels::OrdinalSetPtr& candidates = plan_.match.perhaps.set;
  keys_ = state_.sorted.find(bucket_, *candidates);
  if (keys_ == nullptr) {
    std::vector<std::string> keys;
    std::size_t bytes = 0;
    labels::Ordinal from = 0;
    while (true) {
      const std::vector<labels::Ordinal> ordinals = candidates->slice(from, kRowsPerScan);
      if (ordinals.empty()) break;
      for (const labels::Ordinal ordinal : ordinals) {
        auto row = co_await state_.metadata.get(rows::object(bucket_, ordinal));
        if (!row && row.error() == Errc::not_found) continue;  // it has gone since
        if (!row) co_return row.error();
        bytes += row->value.size() + sizeof(std::string);
        if (bytes > SortedMatches::kBytesMax) co_return success();  // heads are read instead
        keys.push_back(std::move(row->value));
      }
      from = ordinals.back() + 1;
    }
    std::sort(keys.begin(), keys.end());
    keys_ = std::make_shared<const std::vector<std::string>>(std::move(keys));
    state_.sorted.keep(bucket_, candidates, keys_, bytes);
  }
  const auto first = scope_.after < scope_.prefix
                         ? std::lower_bound(keys_->begin(), keys_->end(), scope_.prefix)
                         : std::upper_bound(keys_->begin(), keys_->end(), scope_.after);
  next_key_ = static_cast<std::size_t>(first - keys_->begin());
  way_ = Way::by_key;
  co_return success();
}

Task<Result<>> MatchWalk::ask(HeadRecordPtr record, std::vector<QueryMatch>& matches) {
  ++heads_;
  if (record->info->delete_marker) co_return success();
  if (query_.readable && !query_.readable(*record->info)) co_return success();
  auto labelled = co_await state_.labels_of(bucket_, record);
  if (!labelled && labelled.error() == Errc::conflict) {
    // Its labels have changed since the row was read.
    auto again = co_await state_.find_head(keys::head(bucket_, record->info->key), record->info->key);
    if (!again && again.error() == Errc::not_found) co_return success();
    if (!again) co_return again.error();
    record = *again;
    labelled = co_await state_.labels_of(bucket_, record);
  }
  if (!labelled) co_return labelled.error();
  if (!labels::holds(*plan_.query, labelled->labels, facts_of(*record->info))) co_return success();
  ordinals_.push_back(record->row.ordinal());
  matches.push_back({record->info, std::move(labelled->labels)});
  co_return success();
}

Task<Result<>> MatchWalk::next_by_key(std::size_t limit, std::vector<QueryMatch>& matches) {
  while (matches.size() < limit && next_key_ < keys_->size()) {
    std::string key = (*keys_)[next_key_++];
    if (!key.starts_with(scope_.prefix)) {
      next_key_ = keys_->size();  // behind the last beneath it
      break;
    }
    const std::string row_key = keys::head(bucket_, key);
    auto record = co_await look_at_head(state_, row_key, std::move(key));
    if (!record && record.error() == Errc::not_found) continue;
    if (!record) co_return record.error();
    Result<> asked = co_await ask(*record, matches);
    if (!asked) co_return asked;
  }
  co_return success();
}

Task<Result<>> MatchWalk::read_heads() {
  at_ = 0;
  page_ = {};
  if (!range_.end.empty() && range_.begin >= range_.end) {
    ended_ = true;
    co_return success();
  }
  auto page = co_await state_.metadata.scan(range_, kRowsPerScan);
  if (!page) co_return page.error();
  page_ = std::move(*page);
  last_page_ = !page_.next;
  if (page_.next) range_.begin = *page_.next;
  co_return success();
}

Task<Result<>> MatchWalk::next_by_head(std::size_t limit, std::vector<QueryMatch>& matches) {
  while (matches.size() < limit && !ended_) {
    if (at_ == page_.entries.size()) {
      if (last_page_) {
        ended_ = true;
        break;
      }
      Result<> read = co_await read_heads();
      if (!read) co_return read;
      continue;
    }
    metadata::Entry& entry = page_.entries[at_++];
    records::Head head;
    Result<> parsed = parse(entry.value, head);
    if (!parsed) co_return parsed;
    // Who has no ordinal is not in the index yet.
    const bool candidate = head.ordinal() == 0 || plan_.match.perhaps.contains(head.ordinal());
    if (!candidate || head.current().delete_marker()) {
      ++heads_;
      continue;
    }
    auto key = keys::head_object(entry.key);
    if (!key) co_return Errc::corrupt_record;
    auto record = decode_head(*key, entry);
    if (!record) co_return record.error();
    Result<> asked = co_await ask(*record, matches);
    if (!asked) co_return asked;
  }
  co_return success();
}

Task<Result<std::vector<QueryMatch>>> MatchWalk::next(std::size_t limit) {
  std::vector<QueryMatch> matches;
  ordinals_.clear();
  if (ended_) co_return matches;
  if (way_ == Way::undecided) {
    Result<> decided = co_await decide();
    if (!decided) co_return decided.error();
  }
  Result<> done = success();
  if (way_ == Way::by_key) done = co_await next_by_key(limit, matches);
  else done = co_await next_by_head(limit, matches);
  if (!done) co_return done.error();
  co_return matches;
}

void MatchWalk::skip(const std::string& prefix) {
  while (keys_ != nullptr && next_key_ < keys_->size() && (*keys_)[next_key_].starts_with(prefix)) ++next_key_;
  const metadata::KeyRange beneath = metadata::prefix_range(keys::head_prefix(bucket_, prefix));
  while (at_ < page_.entries.size() && page_.entries[at_].key < beneath.end) ++at_;
  if (at_ == page_.entries.size()) range_.begin = std::max(range_.begin, beneath.end);
}

}  // namespace storage
