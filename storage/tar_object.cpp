#include "storage/tar_object.h"

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <deque>

#include "storage/dataset/sample_name.h"
#include "storage/dataset/tar_format.h"

namespace storage {
namespace {

namespace asio = boost::asio;

// What is handed out at once where samples are small.
constexpr std::size_t kChunkBytes = 256 * 1024;
constexpr std::string_view kNull = "null";

struct Member {
  std::uint64_t end = 0;       // where the sample ends in the tar
  std::uint64_t position = 0;  // in the epoch
  std::uint32_t index = 0;
  bool suffixed = false;
};

// A tar as it was asked for, shared by its readers.
struct Tar {
  ObjectStore::State& state;
  TarRequest request;
  std::vector<Member> members;
  ObjectInfoPtr info;

  std::optional<std::uint64_t> suffix(const Member& member) const {
    if (request.drawn) return member.position;
    return member.suffixed ? std::optional<std::uint64_t>(member.index) : std::nullopt;
  }
};
using TarPtr = std::shared_ptr<const Tar>;

std::size_t digits(std::uint64_t number) { return std::to_string(number).size(); }

// Where a named annotation lies among a sample's.
std::optional<std::size_t> annotation_of(const SealedSample& sample, const std::string& name) {
  for (std::size_t i = 0; i < sample.facts.annotations.size(); ++i) {
    if (sample.facts.annotations[i].name == name) return i;
  }
  return std::nullopt;
}

Task<Result<std::uint64_t>> label_bytes(const TarRequest& request, const dataset::ManifestRow& row, std::uint64_t index) {
  if (request.labels == "all") co_return row.json_bytes;
  auto sample = co_await request.dataset->sample(index);
  if (!sample) co_return sample.error();
  const auto annotation = annotation_of(**sample, request.labels);
  co_return annotation ? (*sample)->facts.annotations[*annotation].json_bytes : kNull.size();
}

// What the sample takes in the tar.
Task<Result<std::uint64_t>> member_bytes(const Tar& tar, const Member& member) {
  auto row = co_await tar.request.dataset->row(member.index);
  if (!row) co_return row.error();
  const auto suffix = tar.suffix(member);
  const std::uint64_t base = row->base_bytes + (suffix ? 1 + digits(*suffix) : 0);
  std::uint64_t bytes = dataset::tar_member_bytes(base + 1 + row->extension_bytes, row->object_bytes);
  if (tar.request.labels == "none") co_return bytes;
  auto labels = co_await label_bytes(tar.request, *row, member.index);
  if (!labels) co_return labels.error();
  const std::size_t ending = row->json_object ? std::string_view(".labels.json").size() : std::string_view(".json").size();
  co_return bytes + dataset::tar_member_bytes(base + ending, *labels);
}

// In the order of the manifest, whose pages are read once; then the ends in the order of the tar.
Task<Result<>> lay_out(Tar& tar) {
  const TarRequest& request = tar.request;
  tar.members.resize(request.positions.count);
  std::vector<std::uint32_t> by_index(tar.members.size());
  for (std::uint32_t i = 0; i < tar.members.size(); ++i) {
    Member& member = tar.members[i];
    member.position = request.positions.at(i);
    member.index = static_cast<std::uint32_t>(request.order->index_at(member.position));
    by_index[i] = i;
  }
  std::sort(by_index.begin(), by_index.end(),
            [&](std::uint32_t a, std::uint32_t b) { return tar.members[a].index < tar.members[b].index; });
  for (const std::uint32_t i : by_index) {
    Member& member = tar.members[i];
    if (!request.drawn) {
      auto repeated = co_await request.dataset->repeated_base(member.index);
      if (!repeated) co_return repeated.error();
      member.suffixed = *repeated;
    }
    auto bytes = co_await member_bytes(tar, member);
    if (!bytes) co_return bytes.error();
    member.end = *bytes;
  }
  std::uint64_t end = 0;
  for (Member& member : tar.members) member.end = end += member.end;
  co_return success();
}

// Bytes in order: a text, bytes of a body that were read, or a body to be streamed.
struct Piece {
  std::string text;
  ObjectReader::Chunk chunk;
  std::unique_ptr<OpenObject> body;
  std::uint64_t from = 0;    // of the body
  std::uint64_t length = 0;
};

// What of a sample is wanted: bytes [begin, end) of those that it has in the tar.
struct Wanted {
  std::size_t member = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// Collects the wanted bytes of one sample from the pieces that it consists of.
class Assembly {
 public:
  explicit Assembly(Wanted wanted) : wanted_(wanted) {}

  void add(std::string text) {
    const auto [from, length] = clip(text.size());
    if (length > 0) pieces_.emplace_back().text = text.substr(from, length);
  }
  // Which of the next `size` bytes are wanted; the caller adds just those.
  std::pair<std::uint64_t, std::uint64_t> clip(std::uint64_t size) {
    const std::uint64_t begin = std::clamp(wanted_.begin, at_, at_ + size);
    const std::uint64_t end = std::clamp(wanted_.end, begin, at_ + size);
    const std::pair result(begin - at_, end - begin);
    at_ += size;
    return result;
  }
  void add(Piece piece) { pieces_.push_back(std::move(piece)); }
  std::uint64_t at() const { return at_; }
  std::vector<Piece> take() { return std::move(pieces_); }

 private:
  Wanted wanted_;
  std::uint64_t at_ = 0;
  std::vector<Piece> pieces_;
};

// A body's bytes [from, from + length): read now if they are few.
Task<Result<>> add_body(const Tar& tar, SealedSamplePtr sample, std::uint64_t from, std::uint64_t length, Assembly& assembly) {
  auto object = co_await tar.request.dataset->open(std::move(sample));
  if (!object) co_return object.error();
  if (tar.request.opener) {
    auto readable = co_await tar.request.opener(std::move(*object));
    if (!readable) co_return readable.error();
    object = std::move(readable);
  }
  if (length > kTarWholeBytesMax) {
    Piece piece;
    piece.body = std::move(*object);
    piece.from = from;
    piece.length = length;
    assembly.add(std::move(piece));
    co_return success();
  }
  const std::unique_ptr<ObjectReader> reader = (*object)->read(from, length);
  std::uint64_t bytes = 0;
  while (bytes < length) {
    auto chunk = co_await reader->next();
    if (!chunk) co_return chunk.error();
    if (chunk->bytes.empty()) co_return Errc::corrupt_record;
    bytes += chunk->bytes.size();
    Piece piece;
    piece.chunk = std::move(*chunk);
    assembly.add(std::move(piece));
  }
  co_return bytes == length ? success() : Result<>(Errc::corrupt_record);
}

Task<Result<std::string>> label_text(const Tar& tar, SealedSamplePtr sample) {
  if (tar.request.labels != "all") {
    const auto annotation = annotation_of(*sample, tar.request.labels);
    if (!annotation) co_return std::string(kNull);
    co_return co_await tar.request.dataset->payload_json(std::move(sample), *annotation);
  }
  std::vector<std::string> payloads;
  for (std::size_t i = 0; i < sample->facts.annotations.size(); ++i) {
    auto payload = co_await tar.request.dataset->payload_json(sample, i);
    if (!payload) co_return payload.error();
    payloads.push_back(std::move(*payload));
  }
  co_return dataset::sample_json(sample->facts, payloads);
}

std::string padding(std::uint64_t size) { return std::string(dataset::tar_padding_bytes(size), '\0'); }

Task<Result<std::vector<Piece>>> fetch(TarPtr tar, Wanted wanted) {
  const Member& member = tar->members[wanted.member];
  auto sample = co_await tar->request.dataset->sample(member.index);
  if (!sample) co_return sample.error();
  const dataset::SampleName name = dataset::SampleName::of((*sample)->facts.key);
  const auto suffix = tar->suffix(member);
  const std::uint64_t size = (*sample)->facts.size;
  Assembly assembly(wanted);
  assembly.add(dataset::tar_header(name.object(suffix), size));
  const auto [from, length] = assembly.clip(size);
  if (length > 0) {
    Result<> added = co_await add_body(*tar, *sample, from, length, assembly);
    if (!added) co_return added.error();
  }
  assembly.add(padding(size));
  if (tar->request.labels != "none" && assembly.at() < wanted.end) {
    auto labels = co_await label_text(*tar, *sample);
    if (!labels) co_return labels.error();
    const std::uint64_t label_size = labels->size();
    assembly.add(dataset::tar_header(name.labels(suffix), label_size));
    assembly.add(std::move(*labels));
    assembly.add(padding(label_size));
  }
  const std::uint64_t begin = wanted.member > 0 ? tar->members[wanted.member - 1].end : 0;
  if (assembly.at() > member.end - begin) co_return Errc::corrupt_record;
  co_return assembly.take();
}

// One sample under way on behalf of a reader; shared, since the reader may go before it is there.
struct Pending {
  std::optional<Result<std::vector<Piece>>> result;
  std::function<void()> waiter;
};

Task<> run_fetch(TarPtr tar, Wanted wanted, std::shared_ptr<Pending> pending) {
  try {
    pending->result = co_await fetch(std::move(tar), wanted);
  } catch (const std::exception&) {
    pending->result = Result<std::vector<Piece>>(Errc::overloaded);  // no memory: nothing else throws here
  }
  if (pending->waiter) pending->waiter();
}

Task<> wait_for(Pending& pending) {
  Executor executor = co_await asio::this_coro::executor;
  auto initiate = [&pending, executor](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    pending.waiter = [shared, executor] { asio::post(executor, [shared] { std::move (*shared)(); }); };
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(std::move(initiate), use_task);
}

ObjectReader::Chunk chunk_of(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  ObjectReader::Chunk chunk;
  chunk.bytes = std::as_bytes(std::span(owner->data(), owner->size()));
  chunk.owner = std::move(owner);
  return chunk;
}

class TarReader final : public ObjectReader {
 public:
  TarReader(TarPtr tar, std::uint64_t offset, std::uint64_t length) : tar_(std::move(tar)), at_(offset), end_(offset + length) {
    const auto& members = tar_->members;
    const auto first = std::upper_bound(members.begin(), members.end(), offset,
                                        [](std::uint64_t wanted, const Member& each) { return wanted < each.end; });
    next_ = static_cast<std::size_t>(first - members.begin());
  }

  Task<Result<Chunk>> next() override {
    std::string gathered;
    while (true) {
      if (stream_ != nullptr) {
        auto chunk = co_await stream_->next();
        if (!chunk) co_return chunk.error();
        if (!chunk->bytes.empty()) co_return chunk;
        stream_.reset();
        streamed_.reset();
      }
      if (pieces_.empty()) {
        // What is gathered goes out before anybody waits.
        const bool waits = pending_.empty() || !pending_.front().second->result;
        if (waits && !gathered.empty()) co_return chunk_of(std::move(gathered));
        auto more = co_await next_sample();
        if (!more) co_return more.error();
        if (*more == 0) co_return co_await last(std::move(gathered));
        continue;
      }
      Piece& piece = pieces_.front();
      const std::size_t size = piece.text.size() + piece.chunk.bytes.size();
      if (piece.body != nullptr || gathered.size() + size > kChunkBytes) {
        if (!gathered.empty()) co_return chunk_of(std::move(gathered));
        if (piece.body == nullptr) {
          Chunk chunk = piece.text.empty() ? std::move(piece.chunk) : chunk_of(std::move(piece.text));
          pieces_.pop_front();
          co_return chunk;
        }
        streamed_ = std::move(piece.body);
        stream_ = streamed_->read(piece.from, piece.length);
        pieces_.pop_front();
        continue;
      }
      gathered += piece.text;
      gathered.append(reinterpret_cast<const char*>(piece.chunk.bytes.data()), piece.chunk.bytes.size());
      pieces_.pop_front();
    }
  }

 private:
  std::uint64_t begin_of(std::size_t member) const { return member > 0 ? tar_->members[member - 1].end : 0; }

  std::size_t ahead_max() const {
    const io::BufferPool& pool = tar_->state.request_pool;
    const io::BufferPool& large = tar_->state.reader_pool;
    const bool scarce = pool.used_bytes() > pool.budget_bytes() / 2 || large.used_bytes() > large.budget_bytes() / 2;
    return scarce ? 1 : kTarAheadMax;
  }

  // Starts what may be fetched ahead.
  Task<> look_ahead() {
    const std::size_t most = ahead_max();
    while (next_ < tar_->members.size() && begin_of(next_) < end_ && pending_.size() < most &&
           (pending_.empty() || ahead_bytes_ < kTarAheadBytesMax)) {
      const std::uint64_t begin = begin_of(next_);
      Wanted wanted;
      wanted.member = next_;
      wanted.begin = at_ > begin ? at_ - begin : 0;
      wanted.end = std::min(end_, tar_->members[next_].end) - begin;
      at_ = begin + wanted.end;
      auto pending = std::make_shared<Pending>();
      const std::uint64_t bytes = std::min(wanted.end - wanted.begin, kTarWholeBytesMax);
      ahead_bytes_ += bytes;
      pending_.emplace_back(bytes, pending);
      ++next_;
      tar_->state.readers.spawn(co_await asio::this_coro::executor, run_fetch(tar_, wanted, pending));
    }
  }

  // The pieces of the next sample into pieces_; 0 after the last.
  Task<Result<std::size_t>> next_sample() {
    co_await look_ahead();
    if (pending_.empty()) co_return std::size_t{0};
    auto [bytes, front] = std::move(pending_.front());
    pending_.pop_front();
    ahead_bytes_ -= bytes;
    if (!front->result) co_await wait_for(*front);
    if (!*front->result) co_return front->result->error();
    std::vector<Piece> pieces = std::move(**front->result);
    const std::size_t count = std::max<std::size_t>(pieces.size(), 1);
    for (Piece& piece : pieces) pieces_.push_back(std::move(piece));
    co_return count;
  }

  // The zeros that end a tar.
  Task<Result<Chunk>> last(std::string gathered) {
    const std::uint64_t members_end = begin_of(tar_->members.size());
    if (end_ > members_end && at_ < end_) {
      gathered.append(end_ - std::max(at_, members_end), '\0');
      at_ = end_;
    }
    co_return chunk_of(std::move(gathered));
  }

  TarPtr tar_;
  std::uint64_t at_;   // where what is under way ends
  std::uint64_t end_;
  std::size_t next_ = 0;  // the next sample to be fetched
  std::deque<std::pair<std::uint64_t, std::shared_ptr<Pending>>> pending_;
  std::uint64_t ahead_bytes_ = 0;
  std::deque<Piece> pieces_;
  std::unique_ptr<OpenObject> streamed_;
  std::unique_ptr<ObjectReader> stream_;
};

class TarObject final : public OpenObject {
 public:
  explicit TarObject(TarPtr tar) : tar_(std::move(tar)) {}
  const ObjectInfoPtr& info() const override { return tar_->info; }
  std::unique_ptr<ObjectReader> read(std::uint64_t offset, std::uint64_t length) override {
    return std::make_unique<TarReader>(tar_, offset, length);
  }

 private:
  TarPtr tar_;
};

ObjectInfoPtr virtual_info(const SealedDataset& dataset, std::uint64_t size, std::string etag, std::string_view type) {
  auto info = std::make_shared<ObjectInfo>();
  info->size = size;
  info->stored_size = size;
  info->etag = std::move(etag);
  info->modified_ms = dataset.info().sealed_ms;
  info->version_id = "null";
  info->attributes.content_type = type;
  return info;
}

// The lines of a manifest.
class ManifestReader final : public ObjectReader {
 public:
  ManifestReader(SealedDatasetPtr dataset, ManifestKind kind, std::uint64_t offset, std::uint64_t length)
      : dataset_(std::move(dataset)), kind_(kind), at_(offset), end_(offset + length) {}

  Task<Result<Chunk>> next() override {
    if (at_ >= end_) co_return Chunk{};
    if (!placed_) {
      Result<> placed = co_await place();
      if (!placed) co_return placed.error();
    }
    std::string text = std::move(head_);
    head_.clear();
    while (text.size() < kChunkBytes && next_ < dataset_->info().count && at_ + text.size() < end_ + skip_) {
      auto samples = co_await dataset_->samples(next_, kLinesPerRead);
      if (!samples) co_return samples.error();
      for (const SealedSamplePtr& sample : *samples) {
        text += kind_ == ManifestKind::csv ? dataset::manifest_csv_line(sample->index, sample->facts)
                                           : dataset::manifest_json_line(sample->index, sample->facts);
      }
      next_ += samples->size();
    }
    if (text.size() <= skip_) co_return Errc::corrupt_record;
    text.erase(0, skip_);
    skip_ = 0;
    if (text.size() > end_ - at_) text.resize(end_ - at_);
    at_ += text.size();
    co_return chunk_of(std::move(text));
  }

 private:
  static constexpr std::uint32_t kLinesPerRead = 500;

  std::uint64_t line_end(const dataset::ManifestRow& row) const {
    return kind_ == ManifestKind::csv ? row.csv_lines_end : row.json_lines_end;
  }

  // The first line that ends behind the offset.
  Task<Result<>> place() {
    placed_ = true;
    std::uint64_t low = 0;
    std::uint64_t high = dataset_->info().count;
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      auto row = co_await dataset_->row(middle);
      if (!row) co_return row.error();
      if (line_end(*row) <= at_) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    next_ = low;
    std::uint64_t begin = 0;
    if (low > 0) {
      auto row = co_await dataset_->row(low - 1);
      if (!row) co_return row.error();
      begin = line_end(*row);
    } else if (kind_ == ManifestKind::csv) {
      head_ = dataset::manifest_csv_header();
    }
    skip_ = at_ - begin;
    co_return success();
  }

  SealedDatasetPtr dataset_;
  ManifestKind kind_;
  std::uint64_t at_;
  std::uint64_t end_;
  bool placed_ = false;
  std::uint64_t next_ = 0;  // sample
  std::uint64_t skip_ = 0;  // bytes of the first line that are not wanted
  std::string head_;
};

class ManifestObject final : public OpenObject {
 public:
  ManifestObject(SealedDatasetPtr dataset, ManifestKind kind, std::string etag) : dataset_(std::move(dataset)), kind_(kind) {
    const bool csv = kind == ManifestKind::csv;
    info_ = virtual_info(*dataset_, csv ? dataset_->info().csv_lines_bytes : dataset_->info().json_lines_bytes,
                         std::move(etag), csv ? "text/csv" : "application/x-ndjson");
  }
  const ObjectInfoPtr& info() const override { return info_; }
  std::unique_ptr<ObjectReader> read(std::uint64_t offset, std::uint64_t length) override {
    return std::make_unique<ManifestReader>(dataset_, kind_, offset, length);
  }

 private:
  SealedDatasetPtr dataset_;
  ManifestKind kind_;
  ObjectInfoPtr info_;
};

}  // namespace

Task<Result<std::unique_ptr<OpenObject>>> open_tar(ObjectStore::State& state, TarRequest request) {
  auto tar = std::make_shared<Tar>(Tar{state, std::move(request), {}, nullptr});
  Result<> laid_out = co_await lay_out(*tar);
  if (!laid_out) co_return laid_out.error();
  const std::uint64_t size = (tar->members.empty() ? 0 : tar->members.back().end) + dataset::kTarEndBytes;
  tar->info = virtual_info(*tar->request.dataset, size, tar->request.etag, "application/x-tar");
  co_return std::make_unique<TarObject>(std::move(tar));
}

std::unique_ptr<OpenObject> open_manifest(SealedDatasetPtr dataset, ManifestKind kind, std::string etag) {
  return std::make_unique<ManifestObject>(std::move(dataset), kind, std::move(etag));
}

Task<Result<std::unique_ptr<OpenObject>>> ObjectStore::open_tar(TarRequest request) {
  co_return co_await storage::open_tar(*state_, std::move(request));
}

std::unique_ptr<OpenObject> ObjectStore::open_manifest(SealedDatasetPtr dataset, ManifestKind kind, std::string etag) {
  return storage::open_manifest(std::move(dataset), kind, std::move(etag));
}

}  // namespace storage
