// ObjectStore: figures over the labels of matching objects.
#include <algorithm>
#include <map>

#include "storage/query_walk.h"

namespace storage {
namespace {

namespace rows = labels::rows;

constexpr std::uint32_t kRowsPerScan = 4096;
constexpr std::size_t kFactValuesMax = 1'000'000;  // distinct ones of a fact, which are counted in memory
constexpr std::size_t kMatchesPerStep = 1000;

bool goes_before(const ValueCount& a, const ValueCount& b) {
  if (a.objects != b.objects) return a.objects > b.objects;
  return a.value < b.value;
}

// Figures of values that come with their counts, each value once.
class Figures {
 public:
  void add(const labels::Value& value, std::uint64_t objects) {
    if (objects == 0) return;
    ++result_.distinct;
    if (value.kind() == labels::Kind::number) add_number(value.number(), objects);
    top_.push_back({value, objects});
    // Twice as many as are wanted, then the better half stays: a bounded cost for each.
    if (top_.size() >= 2 * kStatisticsValuesMax) trim();
  }

  LabelStatistics take() {
    trim();
    result_.values = std::move(top_);
    if (numbers_ > 0) result_.mean = static_cast<double>(sum_ / static_cast<long double>(numbers_));
    return std::move(result_);
  }

 private:
  void add_number(double number, std::uint64_t objects) {
    if (!result_.min || number < *result_.min) result_.min = number;
    if (!result_.max || number > *result_.max) result_.max = number;
    sum_ += static_cast<long double>(number) * static_cast<long double>(objects);
    numbers_ += objects;
  }

  void trim() {
    std::sort(top_.begin(), top_.end(), goes_before);
    if (top_.size() > kStatisticsValuesMax) top_.resize(kStatisticsValuesMax, {labels::Value(false), 0});
  }

  LabelStatistics result_;
  std::vector<ValueCount> top_;
  long double sum_ = 0;
  std::uint64_t numbers_ = 0;
};

// The postings of one label among matches, value by value.
class PostingFold {
 public:
  PostingFold(ObjectStore::State& state, keys::BucketId bucket, labels::NameId name,
              std::shared_ptr<const labels::OrdinalSet> among)
      : state_(state), range_(metadata::prefix_range(rows::postings_prefix(bucket, name))), among_(std::move(among)) {}

  struct Group {
    std::optional<labels::Value> value;  // none: the label without a value
    std::uint64_t objects = 0;
  };
  // The next value that some match has; nullopt: the end. Then carriers() is complete.
  Task<Result<std::optional<Group>>> next() {
    while (true) {
      if (at_ == page_.entries.size()) {
        if (ended_) co_return std::exchange(group_, std::nullopt);
        auto page = co_await state_.metadata.scan(range_, kRowsPerScan);
        if (!page) co_return page.error();
        page_ = std::move(*page);
        at_ = 0;
        ended_ = !page_.next;
        if (page_.next) range_.begin = *page_.next;
        continue;
      }
      auto posting = rows::posting_of(page_.entries[at_].key);
      if (!posting) co_return Errc::corrupt_record;
      ++at_;
      if (!among_->contains(posting->ordinal)) continue;
      carriers_.add(posting->ordinal);
      if (group_ && group_->value == posting->value) {
        ++group_->objects;
        continue;
      }
      auto done = std::exchange(group_, Group{std::move(posting->value), 1});
      if (done) co_return done;
    }
  }

  const labels::OrdinalSet& carriers() const { return carriers_; }

 private:
  ObjectStore::State& state_;
  metadata::KeyRange range_;
  std::shared_ptr<const labels::OrdinalSet> among_;
  metadata::Page page_;
  std::size_t at_ = 0;
  bool ended_ = false;
  std::optional<Group> group_;
  labels::OrdinalSet carriers_;
};

// How many values of a label the index leaves out of matches.
Task<Result<std::uint64_t>> count_left_out(ObjectStore::State& state, keys::BucketId bucket, std::string name,
                                           std::shared_ptr<const labels::OrdinalSet> among) {
  std::uint64_t count = 0;
  metadata::KeyRange range = metadata::prefix_range(rows::not_indexed_prefix(bucket, name));
  while (true) {
    auto page = co_await state.metadata.scan(range, kRowsPerScan);
    if (!page) co_return page.error();
    for (const metadata::Entry& entry : page->entries) {
      const auto row = rows::not_indexed_of(entry.key);
      if (!row) co_return Errc::corrupt_record;
      if (!among->contains(row->ordinal)) continue;
      auto values = metadata::counter_value(entry.value);
      if (!values) co_return values.error();
      count += static_cast<std::uint64_t>(*values);
    }
    if (!page->next) co_return count;
    range.begin = *page->next;
  }
}

// Facts have no postings: each match tells its own.
Task<Result<LabelStatistics>> fact_statistics(QueryWalk& walk, std::string name) {
  std::map<labels::Value, std::uint64_t> counts;
  std::uint64_t objects = 0;
  std::uint64_t labelled = 0;
  while (true) {
    auto matches = co_await walk.next(kMatchesPerStep);
    if (!matches) co_return matches.error();
    if (matches->empty()) break;
    for (const QueryMatch& match : *matches) {
      ++objects;
      auto value = labels::fact(name, facts_of(*match.info));
      if (!value) continue;
      ++labelled;
      ++counts[std::move(*value)];
      if (counts.size() > kFactValuesMax) co_return Errc::too_large;
    }
  }
  Figures figures;
  for (const auto& [value, of_value] : counts) figures.add(value, of_value);
  LabelStatistics statistics = figures.take();
  statistics.objects = objects;
  statistics.labelled = labelled;
  co_return statistics;
}

}  // namespace

Task<Result<LabelStatistics>> ObjectStore::label_statistics(std::string bucket_name, std::string name, LabelQuery query) {
  if (name.starts_with(labels::kFactPrefix)) {
    auto walk = co_await query_walk(std::move(bucket_name), std::move(query));
    if (!walk) co_return walk.error();
    co_return co_await fact_statistics(**walk, std::move(name));
  }
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  auto matches = co_await query_matches(std::move(bucket_name), std::move(query));
  if (!matches) co_return matches.error();
  auto left_out = co_await count_left_out(*state_, (*bucket)->id, name, matches->ordinals);
  if (!left_out) co_return left_out.error();
  auto id = co_await state_->label_index.find_name((*bucket)->id, name);
  if (!id) co_return id.error();
  Figures figures;
  std::uint64_t labelled = 0;
  if (*id) {
    PostingFold fold(*state_, (*bucket)->id, **id, matches->ordinals);
    while (true) {
      auto group = co_await fold.next();
      if (!group) co_return group.error();
      if (!*group) break;
      if ((*group)->value) figures.add(*(*group)->value, (*group)->objects);
    }
    labelled = fold.carriers().size();
  }
  LabelStatistics statistics = figures.take();
  statistics.objects = matches->count;
  statistics.labelled = labelled;
  statistics.not_indexed = *left_out;
  co_return statistics;
}

namespace {

// What the index leaves out altogether has no row among the names; so names are those of both kinds of rows, merged.
Task<Result<std::optional<std::string>>> next_left_out_name(ObjectStore::State& state, keys::BucketId bucket,
                                                            std::string after) {
  metadata::KeyRange range = metadata::prefix_range(rows::not_indexed_prefix(bucket));
  if (!after.empty()) range.begin = metadata::prefix_range(rows::not_indexed_prefix(bucket, after)).end;
  auto page = co_await state.metadata.scan(range, 1);
  if (!page) co_return page.error();
  if (page->entries.empty()) co_return std::optional<std::string>();
  auto row = rows::not_indexed_of(page->entries.front().key);
  if (!row) co_return Errc::corrupt_record;
  co_return std::optional<std::string>(std::move(row->label));
}

Task<Result<LabelSummary>> summarise(ObjectStore::State& state, keys::BucketId bucket, std::string name,
                                     std::shared_ptr<const labels::OrdinalSet> among) {
  LabelSummary summary;
  summary.name = name;
  auto left_out = co_await count_left_out(state, bucket, name, among);
  if (!left_out) co_return left_out.error();
  summary.not_indexed = *left_out;
  auto id = co_await state.label_index.find_name(bucket, name);
  if (!id) co_return id.error();
  if (!*id) co_return summary;
  PostingFold fold(state, bucket, **id, among);
  while (true) {
    auto group = co_await fold.next();
    if (!group) co_return group.error();
    if (!*group) break;
    if (!(*group)->value) continue;
    ++summary.values;
    const labels::Kind kind = (*group)->value->kind();
    summary.booleans = summary.booleans || kind == labels::Kind::boolean;
    summary.numbers = summary.numbers || kind == labels::Kind::number;
    summary.strings = summary.strings || kind == labels::Kind::string;
  }
  summary.objects = fold.carriers().size();
  co_return summary;
}

}  // namespace

Task<Result<LabelSummaryPage>> ObjectStore::label_summaries(std::string bucket_name, QueryMatches matches,
                                                            std::string after, std::uint32_t limit) {
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  const keys::BucketId id = (*bucket)->id;
  LabelSummaryPage page;
  for (std::uint32_t step = 0; step < limit; ++step) {
    metadata::KeyRange range = metadata::prefix_range(rows::names_prefix(id));
    if (!after.empty()) range.begin = rows::name(id, after) + '\0';
    auto names = co_await state_->metadata.scan(range, 1);
    if (!names) co_return names.error();
    auto left_out = co_await next_left_out_name(*state_, id, after);
    if (!left_out) co_return left_out.error();
    std::optional<std::string> name = std::move(*left_out);
    if (!names->entries.empty()) {
      auto indexed = rows::name_of(names->entries.front().key);
      if (!indexed) co_return Errc::corrupt_record;
      if (!name || *indexed < *name) name = std::move(*indexed);
    }
    if (!name) co_return page;
    after = *name;
    auto summary = co_await summarise(*state_, id, *name, matches.ordinals);
    if (!summary) co_return summary.error();
    if (summary->objects > 0 || summary->not_indexed > 0) page.labels.push_back(std::move(*summary));
  }
  page.next = std::move(after);
  co_return page;
}

}  // namespace storage
