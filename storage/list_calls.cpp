// ObjectStore: listings of objects.
#include <google/protobuf/arena.h>

#include <array>

#include "storage/object_store_state.h"

namespace storage {
namespace {

constexpr std::uint32_t kRowsPerScan = 1000;

// Folds rows in key order into the entries of one page: keys, and one common prefix for all keys beneath it.
class PageBuilder {
 public:
  // `markers`: there may be delete markers among the rows. They are in no page, and alone they make no common prefix.
  PageBuilder(const ListOptions& options, bool markers, ObjectPage& page)
      : options_(options), markers_(markers), page_(page), arena_(arena_block_.data(), arena_block_.size()) {}

  enum class Next {
    row,          // go on with the next row
    skip_prefix,  // all rows beneath common_prefix() are dealt with
    full,         // one entry more than the page holds was met
  };

  Next add(std::string key, const metadata::Entry& entry, Error& error) {
    const std::size_t end = group_end(key);
    const bool grouped = end != std::string::npos;
    if (grouped && std::string_view(key).substr(0, end) <= options_.after) {
      prefix_ = key.substr(0, end);
      return Next::skip_prefix;
    }
    if (markers_ || !grouped) {
      Result<> parsed = parse_head(entry.value);
      if (!parsed) {
        error = parsed.error();
        return Next::full;
      }
      if (head_->current().delete_marker()) return Next::row;
    }
    if (full()) return Next::full;
    if (grouped) {
      prefix_ = key.substr(0, end);
      page_.common_prefixes.push_back(prefix_);
      last_ = prefix_;
      return Next::skip_prefix;
    }
    auto info = std::make_shared<ObjectInfo>();
    fill_listed(std::move(key), head_->current(), *info);
    last_ = info->key;
    page_.objects.push_back(std::move(info));
    return Next::row;
  }

  const std::string& common_prefix() const { return prefix_; }
  bool in_common_prefix(const std::string& key) const { return !prefix_.empty() && key.starts_with(prefix_); }
  const std::string& last() const { return last_; }

 private:
  Result<> parse_head(const std::string& bytes) {
    arena_.Reset();
    head_ = google::protobuf::Arena::CreateMessage<records::Head>(&arena_);
    return parse(bytes, *head_);
  }

  bool full() {
    if (page_.objects.size() + page_.common_prefixes.size() < options_.entries_max) return false;
    page_.truncated = true;
    return true;
  }

  // Where the common prefix of `key` ends, or npos if the key is listed itself.
  std::size_t group_end(const std::string& key) const {
    if (options_.delimiter.empty()) return std::string::npos;
    const std::size_t at = key.find(options_.delimiter, options_.prefix.size());
    return at == std::string::npos ? at : at + options_.delimiter.size();
  }

  const ListOptions& options_;
  bool markers_;
  ObjectPage& page_;
  std::string prefix_;
  std::string last_;
  // A row's messages come and go for each key: out of an arena that takes no memory of its own for a row of usual size.
  std::array<char, 4096> arena_block_;
  google::protobuf::Arena arena_;
  records::Head* head_ = nullptr;  // in the arena
};

}  // namespace

Task<Result<ObjectPage>> ObjectStore::list(std::string bucket_name, ListOptions options) {
  if (options.entries_max > kListEntriesMax) co_return Errc::invalid_argument;
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket && bucket.error() == Errc::dataset_bucket) {
    auto dataset = co_await state_->open_dataset_bucket(std::move(bucket_name));
    if (!dataset) co_return dataset.error();
    co_return co_await (*dataset)->list(std::move(options), SampleJudge());
  }
  if (!bucket) co_return bucket.error();
  ObjectPage page;
  if (options.entries_max == 0) co_return page;

  const keys::BucketId id = (*bucket)->id;
  if (options.hide_quarantined) {
    // Buckets in which nothing ever was set apart do not have the name.
    auto quarantined = co_await state_->label_index.find_name(id, std::string(labels::kQuarantinedLabel));
    if (!quarantined) co_return quarantined.error();
    if (*quarantined) {
      LabelQuery all;
      co_return co_await query_page(std::move(bucket_name), std::move(all), std::move(options), nullptr);
    }
  }
  metadata::KeyRange range = metadata::prefix_range(keys::head_prefix(id, options.prefix));
  if (!options.after.empty()) range.begin = std::max(range.begin, keys::head(id, options.after) + '\0');
  auto snapshot = co_await state_->metadata.snapshot();
  if (!snapshot) co_return snapshot.error();

  PageBuilder builder(options, (*bucket)->info.versioning != Versioning::off, page);
  std::uint32_t rows_max = options.entries_max + 1;
  while (range.end.empty() || range.begin < range.end) {
    auto rows = co_await (*snapshot)->scan(range, rows_max);
    if (!rows) co_return rows.error();
    rows_max = kRowsPerScan;  // what filled no page was markers or beneath prefixes: there may be many more
    bool skipping = false;
    for (const metadata::Entry& entry : rows->entries) {
      auto key = keys::head_object(entry.key);
      if (!key) co_return Errc::corrupt_record;
      if (builder.in_common_prefix(*key)) continue;
      Error error;
      const PageBuilder::Next next = builder.add(std::move(*key), entry, error);
      if (error) co_return error;
      if (next == PageBuilder::Next::full) {
        page.next_after = builder.last();
        co_return page;
      }
      skipping = next == PageBuilder::Next::skip_prefix;
    }
    if (!rows->next) co_return page;
    // A page that ended inside a common prefix goes on behind it, however many thousands of keys lie there.
    range.begin = skipping ? std::max(*rows->next,
                                      metadata::prefix_range(keys::head_prefix(id, builder.common_prefix())).end)
                           : *rows->next;
  }
  co_return page;
}

}  // namespace storage
