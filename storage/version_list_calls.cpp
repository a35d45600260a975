// ObjectStore: listings of versions. Two ranges of rows side by side: the current versions, and behind each its older ones.
#include <utility>

#include "storage/object_store_state.h"
#include "storage/version_id.h"

namespace storage {
namespace {

constexpr std::uint32_t kRowsPerScan = 1000;

// The rows of a range in order, fetched a page at a time.
class RowCursor {
 public:
  RowCursor(metadata::Snapshot& snapshot, metadata::KeyRange range, std::uint32_t rows_max)
      : snapshot_(snapshot), range_(std::move(range)), rows_max_(rows_max) {}

  // The row that the cursor is at; null behind the last.
  Task<Result<const metadata::Entry*>> at() {
    while (at_ == rows_.size()) {
      if (ended_ || (!range_.end.empty() && range_.begin >= range_.end)) co_return nullptr;
      auto page = co_await snapshot_.scan(range_, rows_max_);
      if (!page) co_return page.error();
      rows_max_ = kRowsPerScan;
      rows_ = std::move(page->entries);
      at_ = 0;
      ended_ = !page->next.has_value();
      if (page->next) range_.begin = std::move(*page->next);
    }
    co_return &rows_[at_];
  }
  void advance() { ++at_; }

  // Goes on at the first row that is not below `key`.
  void skip_to(const std::string& key) {
    while (at_ < rows_.size() && rows_[at_].key < key) ++at_;
    if (at_ == rows_.size()) range_.begin = std::max(range_.begin, key);
  }

 private:
  metadata::Snapshot& snapshot_;
  metadata::KeyRange range_;
  std::uint32_t rows_max_;
  std::vector<metadata::Entry> rows_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

// The version that a listing goes on behind: all of its key with a lower number follow.
Task<Result<std::uint64_t>> number_of(metadata::Snapshot& snapshot, keys::BucketId bucket, std::string key,
                                      std::string version_id) {
  if (version_id.empty()) co_return std::uint64_t{0};
  if (version_id != "null") co_return version_number(version_id).value_or(0);
  auto entry = co_await snapshot.get(keys::head(bucket, key));
  if (!entry) {
    if (entry.error() == Errc::not_found) co_return std::uint64_t{0};
    co_return entry.error();
  }
  records::Head head;
  Result<> parsed = parse(entry->value, head);
  if (!parsed) co_return parsed.error();
  co_return is_null_version(head.current()) ? head.current().number() : head.older_null();
}

class VersionLister {
 public:
  VersionLister(metadata::Snapshot& snapshot, keys::BucketId bucket, const VersionListOptions& options,
                std::uint64_t number_after, VersionPage& page)
      : bucket_(bucket),
        options_(options),
        number_after_(number_after),
        page_(page),
        heads_(snapshot, head_range(), options.entries_max + 1),
        older_(snapshot, older_range(), options.entries_max + 1) {}

  // Fills the page.
  Task<Result<>> run() {
    while (true) {
      auto entry = co_await heads_.at();
      if (!entry) co_return entry.error();
      if (*entry == nullptr) co_return success();
      auto key = keys::head_object((*entry)->key);
      if (!key) co_return Errc::corrupt_record;
      const std::size_t end = group_end(*key);
      if (end != std::string::npos) {
        if (!add_prefix(key->substr(0, end))) co_return success();
        continue;
      }
      auto added = co_await add_key(std::move(*key), **entry);
      if (!added) co_return added.error();
      if (*added == Room::none) co_return success();
      heads_.advance();
    }
  }

 private:
  metadata::KeyRange head_range() const {
    metadata::KeyRange range = metadata::prefix_range(keys::head_prefix(bucket_, options_.prefix));
    if (options_.key_after.empty()) return range;
    std::string begin = keys::head(bucket_, options_.key_after);
    if (number_after_ == 0) begin += '\0';  // no version of that key follows
    range.begin = std::max(range.begin, begin);
    return range;
  }

  metadata::KeyRange older_range() const {
    metadata::KeyRange range = metadata::prefix_range(keys::versions_prefix(bucket_, options_.prefix));
    if (options_.key_after.empty()) return range;
    std::string begin = number_after_ == 0
                            ? metadata::prefix_range(keys::versions_of(bucket_, options_.key_after)).end
                            : keys::version(bucket_, options_.key_after, number_after_) + '\0';
    range.begin = std::max(range.begin, begin);
    return range;
  }

  std::size_t group_end(const std::string& key) const {
    if (options_.delimiter.empty()) return std::string::npos;
    const std::size_t at = key.find(options_.delimiter, options_.prefix.size());
    return at == std::string::npos ? at : at + options_.delimiter.size();
  }

  bool full() {
    page_.truncated = page_.versions.size() + page_.common_prefixes.size() == options_.entries_max;
    return page_.truncated;
  }

  // False when the page is full.
  bool add_prefix(std::string prefix) {
    if (prefix > options_.key_after) {
      if (full()) return false;
      page_.next_key = prefix;
      page_.next_version_id.clear();
      page_.common_prefixes.push_back(prefix);
    }
    heads_.skip_to(metadata::prefix_range(keys::head_prefix(bucket_, prefix)).end);
    older_.skip_to(metadata::prefix_range(keys::versions_prefix(bucket_, prefix)).end);
    return true;
  }

  bool add_version(std::string key, const records::Version& version, bool current) {
    if (full()) return false;
    auto info = std::make_shared<ObjectInfo>();
    fill_listed(std::move(key), version, *info);
    info->current = current;
    page_.next_key = info->key;
    page_.next_version_id = info->version_id;
    page_.versions.push_back(std::move(info));
    return true;
  }

  enum class Room : std::uint8_t { left, none };

  // The current version of a key and all its older ones.
  Task<Result<Room>> add_key(std::string key, const metadata::Entry& entry) {
    Result<> parsed = parse(entry.value, head_);
    if (!parsed) co_return parsed.error();
    const bool seen = key == options_.key_after && head_.current().number() >= number_after_;
    if (!seen && !add_version(key, head_.current(), true)) co_return Room::none;
    const std::string of_key = keys::versions_of(bucket_, key);
    older_.skip_to(of_key);
    while (true) {
      auto row = co_await older_.at();
      if (!row) co_return row.error();
      if (*row == nullptr || !(*row)->key.starts_with(of_key)) co_return Room::left;
      Result<> older = parse((*row)->value, version_);
      if (!older) co_return older.error();
      if (!add_version(key, version_.version(), false)) co_return Room::none;
      older_.advance();
    }
  }

  keys::BucketId bucket_;
  const VersionListOptions& options_;
  std::uint64_t number_after_;
  VersionPage& page_;
  RowCursor heads_;
  RowCursor older_;
  records::Head head_;             // parsed into again and again: their memory is reused
  records::OlderVersion version_;
};

}  // namespace

Task<Result<VersionPage>> ObjectStore::list_versions(std::string bucket_name, VersionListOptions options) {
  if (options.entries_max > kListEntriesMax) co_return Errc::invalid_argument;
  auto bucket = co_await state_->find_bucket(bucket_name);
  if (!bucket) co_return bucket.error();
  VersionPage page;
  if (options.entries_max == 0) co_return page;
  auto snapshot = co_await state_->metadata.snapshot();
  if (!snapshot) co_return snapshot.error();
  auto number = co_await number_of(**snapshot, (*bucket)->id, options.key_after, options.version_id_after);
  if (!number) co_return number.error();
  VersionLister lister(**snapshot, (*bucket)->id, options, *number, page);
  Result<> listed = co_await lister.run();
  if (!listed) co_return listed.error();
  if (!page.truncated) {
    page.next_key.clear();
    page.next_version_id.clear();
  }
  co_return page;
}

}  // namespace storage
