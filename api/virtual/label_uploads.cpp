// .granary/labels/NAME and .granary/pending/NAME: streams of labels, their reports, and labels that wait for their objects.
#include <algorithm>

#include "api/annotation.h"
#include "api/digest.h"
#include "api/encoding.h"
#include "api/virtual/answers.h"
#include "api/virtual/hidden_bucket.h"
#include "api/virtual/label_lines.h"
#include "api/virtual/label_streams.h"
#include "storage/labels/json_text.h"

namespace api {
namespace {

constexpr std::int64_t kPutWaitMs = 20'000;
constexpr std::uint32_t kPendingRowsPerPiece = 100;

// Removes the bytes of a stream that goes no further.
Task<> drop_bytes(storage::ObjectStore& store, std::string key) {
  storage::RemoveRequest removal;
  removal.key = std::move(key);
  // What cannot be removed now is swept at the next start.
  static_cast<void>(co_await store.remove(std::string(kHiddenBucket), std::move(removal)));
}

// What the stream is, from its first bytes. Errors: InvalidRequest.
Task<Outcome<>> inspect(storage::ObjectStore& store, LabelStream& stream) {
  const storage::ObjectKey place{std::string(kHiddenBucket), stream.object};
  const auto object = co_await store.open(place);
  if (!object) co_return object.error();
  const auto reader = (*object)->read(0, stream.size);
  LabelLines lines;
  while (lines.format() == LabelLines::Format::unknown) {
    const auto chunk = co_await reader->next();
    if (!chunk) co_return chunk.error();
    if (chunk->bytes.empty()) {
      lines.finish();
    } else {
      lines.feed({reinterpret_cast<const char*>(chunk->bytes.data()), chunk->bytes.size()});
    }
  }
  if (lines.format() == LabelLines::Format::bad) {
    co_return Failure(S3Error::invalid_request,
                      "The body is neither JSON Lines nor a CSV that begins with the header key,payload");
  }
  stream.csv = lines.format() == LabelLines::Format::csv;
  stream.offset = lines.offset();
  stream.line = lines.line();
  co_return done();
}

std::string etag_of(std::string_view text) {
  const Sha256Digest hash = sha256(text);
  return to_hex(std::string_view(reinterpret_cast<const char*>(hash.data()), 20)) + "-1";
}

class PendingLines final : public AnswerText {
 public:
  PendingLines(storage::ObjectStore& store, std::string bucket, std::string name)
      : store_(store), bucket_(std::move(bucket)), name_(std::move(name)) {}

  Task<Outcome<bool>> more(std::string& to) override {
    const auto page = co_await store_.pending_labels(bucket_, name_, cursor_, kPendingRowsPerPiece);
    if (!page) co_return Failure(page.error());
    for (const storage::PendingLabel& label : page->labels) {
      to += "{\"key\":";
      storage::labels::append_json(to, std::string_view(label.key));
      to += ",\"payload\":";
      if (storage::labels::JsonText::parse(label.payload)) {
        const std::size_t at = to.size();
        to += label.payload;
        // Outside strings, where JSON has them, ends of lines are white space.
        std::replace_if(to.begin() + static_cast<std::ptrdiff_t>(at), to.end(),
                        [](char c) { return c == '\n' || c == '\r'; }, ' ');
      } else {
        storage::labels::append_json(to, std::string_view(label.payload));
      }
      to += "}\n";
    }
    if (page->next) cursor_ = *page->next;
    co_return page->next.has_value();
  }

 private:
  storage::ObjectStore& store_;
  std::string bucket_;
  std::string name_;
  std::string cursor_;
};

}  // namespace

Task<Outcome<>> write_label_stream(Call& call, std::string rest, storage::BodySource& body) {
  if (auto name = check_annotation_name(rest); !name) co_return name.error();
  const auto ready = co_await ensure_hidden_bucket(call.store);
  if (!ready) co_return ready.error();
  LabelStream stream;
  stream.name = rest;
  stream.bucket = call.bucket->name;
  stream.bucket_id = call.bucket->id;
  stream.modified_ms = call.clock.wall_ms();
  stream.object = std::string(kStreamPrefix) + LabelStreams::row_name(stream.bucket_id, rest) + '/' +
                  to_hex(std::string_view(call.request.request_id)) + std::to_string(call.clock.monotonic_ns());
  const storage::ObjectKey place{std::string(kHiddenBucket), stream.object};
  storage::PutOptions options;
  const auto stored = co_await call.store.put(place, std::move(options), body);  // durable before any line is applied
  if (!stored) co_return stored.error();
  stream.etag = (*stored)->etag;
  stream.size = (*stored)->size;
  if (auto known = co_await inspect(call.store, stream); !known) {
    co_await drop_bytes(call.store, stream.object);
    co_return known.error();
  }
  const std::int64_t until_ms = call.clock.monotonic_ns() / 1'000'000 + kPutWaitMs;
  const std::string row = LabelStreams::row_name(stream.bucket_id, rest);
  while (true) {
    const auto running = co_await call.label_streams->begin(stream);
    if (!running) {
      co_await drop_bytes(call.store, stream.object);
      co_return running.error();
    }
    const std::int64_t left_ms = std::max<std::int64_t>(until_ms - call.clock.monotonic_ns() / 1'000'000, 0);
    const bool ours = running->object == stream.object;
    const bool same = running->etag == stream.etag && running->size == stream.size;
    if (!ours && (same || left_ms == 0)) co_await drop_bytes(call.store, stream.object);
    if (!ours && !same && left_ms == 0) {
      co_return Failure(S3Error::operation_aborted, "Another stream of this name is being applied. Try again.");
    }
    const auto driven = co_await call.label_streams->drive(row, left_ms);
    if (!driven) co_return driven.error();
    if (ours || same) co_return done();
    // Another stream of this name came first: ours follows it.
  }
}

Task<Outcome<VirtualContent>> read_label_stream(Call& call, std::string rest) {
  const auto stream = co_await call.label_streams->find(LabelStreams::row_name(call.bucket->id, rest));
  if (!stream && stream.error() == storage::Errc::not_found) co_return S3Error::no_such_key;
  if (!stream) co_return stream.error();
  co_return whole_answer(stream->report());
}

Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_label_streams(Call& call, std::string after, std::uint32_t limit) {
  const std::string prefix = std::to_string(call.bucket->id) + '/';
  std::string row_after = prefix;
  std::vector<storage::ObjectInfoPtr> entries;
  const auto by_key = [](const storage::ObjectInfoPtr& a, const storage::ObjectInfoPtr& b) { return a->key < b->key; };
  while (true) {
    const auto rows = co_await call.store.registry_rows(std::string(kStreamTable), row_after, 500);
    if (!rows) co_return rows.error();
    for (const storage::RegistryRow& row : *rows) {
      if (!row.name.starts_with(prefix)) continue;
      const auto stream = LabelStream::parse(row.value);
      if (!stream) co_return storage::Errc::corrupt_record;
      auto info = std::make_shared<storage::ObjectInfo>();
      info->key = std::string(kVirtualPrefix) + "labels/" + stream->name;
      if (info->key <= after) continue;
      const std::string report = stream->report();
      info->size = report.size();
      info->etag = etag_of(report);
      info->modified_ms = stream->modified_ms;
      info->version_id = "null";
      entries.push_back(std::move(info));
    }
    if (rows->empty() || !rows->back().name.starts_with(prefix)) break;
    row_after = rows->back().name;
    // Rows are by hash: of all only the first `limit` by key are kept.
    std::sort(entries.begin(), entries.end(), by_key);
    if (entries.size() > limit) entries.resize(limit);
  }
  std::sort(entries.begin(), entries.end(), by_key);
  if (entries.size() > limit) entries.resize(limit);
  co_return std::move(entries);
}

Task<Outcome<VirtualContent>> read_pending(Call& call, std::string rest) {
  if (auto name = check_annotation_name(rest); !name) co_return name.error();
  VirtualContent content;
  content.content_type = kJsonLinesType;
  content.text = std::make_unique<PendingLines>(call.store, call.bucket->name, std::move(rest));
  co_return std::move(content);
}

Task<Outcome<>> remove_pending(Call& call, std::string rest) {
  if (auto name = check_annotation_name(rest); !name) co_return name.error();
  const auto dropped = co_await call.store.drop_pending_labels(call.bucket->name, std::move(rest));
  if (!dropped) co_return dropped.error();
  co_return done();
}

}  // namespace api
