// ObjectStore: many annotations in one transaction, for streams of labels.
#include <algorithm>
#include <set>

#include "storage/object_store_state.h"

namespace storage {
namespace {

// A transaction grows up to about here; the rest of the lines is for the next one.
constexpr std::size_t kEditBytesMax = 5 * 1024 * 1024;
// Pending payloads up to here lie in their rows: all that wait for one key must fit into the transaction that brings it.
constexpr std::size_t kPendingInlineMax = 4 * 1024;

class LabelBatch {
 public:
  LabelBatch(ObjectStore::State& state, std::string bucket_name, const std::vector<LabelLine>& lines)
      : state_(state), bucket_name_(std::move(bucket_name)), lines_(lines), stored_(lines.size()) {}

  // Locks the keys in the order of their rows, as whoever holds several locks and waits for one more does.
  Task<Result<>> lock() {
    auto bucket = co_await state_.find_bucket(bucket_name_);
    if (!bucket) co_return bucket.error();
    bucket_ = *bucket;
    std::set<std::string> rows;
    while (usable_ < lines_.size() && rows.insert(keys::head(bucket_->id, lines_[usable_].key)).second) ++usable_;
    for (const std::string& row : rows) guards_.push_back(co_await state_.locks.lock(row));
    co_return success();
  }

  // Works out the edit and commits it. conflict: somebody came first.
  Task<Result<std::vector<LabelLineFate>>> apply(
      const std::function<CompanionRow(const std::vector<LabelLineFate>&)>& progress) {
    auto bucket = co_await state_.find_bucket(bucket_name_);
    if (!bucket) co_return bucket.error();
    if ((*bucket)->id != bucket_->id) co_return Errc::bucket_not_found;
    bucket_ = *bucket;
    edit_ = VersionEdit();
    fates_.clear();
    heads_.clear();
    counted_ = 0;
    bytes_ = 0;
    for (std::size_t i = 0; i < usable_ && bytes_ < kEditBytesMax; ++i) {
      auto fate = co_await add(i);
      if (!fate) co_return fate.error();
      fates_.push_back(*fate);
      count_bytes();
    }
    edit_.transaction.require_revision(keys::bucket(bucket_->info.name), bucket_->revision);
    count_versions(edit_, bucket_->info, false);
    CompanionRow row = progress(fates_);
    records::RegistryRow record;
    record.set_value(std::move(row.value));
    edit_.transaction.put(keys::registry(row.table, row.name), serialize(record));
    std::vector<RecordCache<HeadRecord>::Write> writes;
    writes.reserve(heads_.size());
    for (const Head& head : heads_) writes.emplace_back(state_.heads, head.rewritten.row);
    auto revision = co_await state_.metadata.commit(std::move(edit_.transaction));
    state_.settle(bucket_->id, edit_, revision);
    if (!revision) co_return revision.error();
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      Head& head = heads_[i];
      const metadata::Entry entry{head.rewritten.row, std::move(head.rewritten.value), *revision};
      auto record_now = decode_head(*head.key, entry);
      if (record_now) writes[i].finish(std::move(*record_now));
    }
    co_return std::move(fates_);
  }

  // The bucket keeps no more pending lines.
  void refuse_pending() { pending_full_ = true; }
  bool refuses_pending() const { return pending_full_; }

 private:
  struct Head {
    const std::string* key;
    ObjectStore::State::Rewritten rewritten;
  };

  Task<Result<LabelLineFate>> add(std::size_t index) {
    const LabelLine& line = lines_[index];
    const std::string row_key = keys::head(bucket_->id, line.key);
    auto head = co_await state_.find_head(row_key, line.key);
    if (!head && head.error() != Errc::not_found) co_return head.error();
    const HeadRecordPtr current = head ? *head : nullptr;
    if (present(current) == nullptr) co_return co_await add_pending(index, row_key, current);
    if (line.put.check && !line.put.check(*current->info)) co_return LabelLineFate::refused;
    records::Version next = current->row.current();
    auto sources = co_await state_.load_sources(next);
    if (!sources) co_return sources.error();
    if (sources->find(line.put.name) == nullptr && sources->annotations.size() >= kAnnotationsMax) {
      co_return LabelLineFate::annotation_limit;
    }
    const bool in_row = !stored_[index] && ObjectStore::State::fits_inline(*sources, line.put.name, line.put.payload.size());
    if (!in_row) {
      Result<> stored = co_await store(index);
      if (!stored) co_return stored.error();
    }
    Result<> added = co_await state_.add_annotation(edit_, next, line.put, in_row ? nullptr : &*stored_[index]);
    if (!added) co_return added.error();
    auto rewritten = co_await state_.add_rewrite(edit_, bucket_, line.key, current, std::move(next));
    if (!rewritten) co_return rewritten.error();
    heads_.push_back({&line.key, std::move(*rewritten)});
    co_return LabelLineFate::applied;
  }

  Task<Result<LabelLineFate>> add_pending(std::size_t index, std::string head_row, HeadRecordPtr marker) {
    if (pending_full_) co_return LabelLineFate::pending_full;
    const LabelLine& line = lines_[index];
    const std::string row_key = keys::pending_label(bucket_->id, line.key, line.put.name);
    auto before = co_await state_.metadata.get(row_key);
    if (!before && before.error() != Errc::not_found) co_return before.error();
    if (before) {
      Result<> taken = co_await state_.take_pending(edit_, std::move(*before));
      if (!taken) co_return taken.error();
    } else {
      edit_.transaction.require_absent(row_key);
    }
    records::Annotation row;
    row.set_md5(line.put.md5);
    row.set_size(line.put.payload.size());
    row.set_modified_ms(state_.clock.wall_ms());
    *row.mutable_checksum() = encode(line.put.checksum);
    if (stored_[index] || line.put.payload.size() > kPendingInlineMax) {
      Result<> stored = co_await store(index);
      if (!stored) co_return stored.error();
      row.set_blob_id(blob_bytes(stored_[index]->blob));
      row.set_blob_chunks(chunks_of(*stored_[index]));
      state_.add_blob_rows(edit_.transaction, *stored_[index], row_key, edit_.change);
    } else {
      row.set_payload(line.put.payload);
    }
    edit_.transaction.put(row_key, serialize(row));
    edit_.pending_lines += 1;
    edit_.pending_bytes += static_cast<std::int64_t>(row.size());
    if (marker != nullptr) {
      edit_.transaction.require_revision(head_row, marker->revision);
    } else {
      edit_.transaction.require_absent(head_row);
    }
    state_.label_index.note_pending(bucket_->id);
    co_return LabelLineFate::pending;
  }

  // Makes the payload durable, once.
  Task<Result<>> store(std::size_t index) {
    if (stored_[index]) co_return success();
    const ObjectKey name{bucket_name_, lines_[index].key};
    auto written = co_await state_.store_bytes(name, std::as_bytes(std::span(lines_[index].put.payload)));
    if (!written) co_return written.error();
    stored_[index] = std::move(*written);
    co_return success();
  }

  void count_bytes() {
    const auto& puts = edit_.transaction.puts;
    for (; counted_ < puts.size(); ++counted_) bytes_ += puts[counted_].key.size() + puts[counted_].value.size() + 32;
  }

  ObjectStore::State& state_;
  const std::string bucket_name_;
  const std::vector<LabelLine>& lines_;
  std::size_t usable_ = 0;  // lines up to the first whose key came before: one row is written once in a transaction
  BucketRecordPtr bucket_;
  std::vector<KeyLocks::Guard> guards_;
  std::vector<std::optional<StoredBody>> stored_;
  bool pending_full_ = false;

  VersionEdit edit_;
  std::vector<LabelLineFate> fates_;
  std::vector<Head> heads_;
  std::size_t counted_ = 0;  // puts in bytes_
  std::size_t bytes_ = 0;
};

}  // namespace

Task<Result<std::vector<LabelLineFate>>> ObjectStore::put_annotations(
    std::string bucket, std::vector<LabelLine> lines,
    std::function<CompanionRow(const std::vector<LabelLineFate>& fates)> progress) {
  if (lines.empty()) co_return Errc::invalid_argument;
  for (const LabelLine& line : lines) {
    const AnnotationPut& put = line.put;
    const bool fits = !line.key.empty() && line.key.size() <= kKeyBytesMax && !put.name.empty() &&
                      put.name.size() <= kAnnotationNameBytesMax && !put.payload.empty() &&
                      put.payload.size() <= kAnnotationBytesMax;
    if (!fits) co_return Errc::invalid_argument;
  }
  LabelBatch batch(*state_, std::move(bucket), lines);
  Result<> locked = co_await batch.lock();
  if (!locked) co_return locked.error();
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    auto fates = co_await batch.apply(progress);
    if (fates) co_return fates;
    if (fates.error() == Errc::bound_exceeded && !batch.refuses_pending()) {
      batch.refuse_pending();
    } else if (fates.error() != Errc::conflict) {
      co_return fates.error();
    }
  }
  co_return Errc::conditional_conflict;
}

}  // namespace storage
