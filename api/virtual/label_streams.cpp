#include "api/virtual/label_streams.h"

#include <deque>
#include <nlohmann/json.hpp>

#include "api/annotation.h"
#include "api/checksum.h"
#include "api/encoding.h"
#include "api/virtual/hidden_bucket.h"
#include "api/virtual/label_lines.h"
#include "storage/base/log.h"

namespace api {

using storage::Errc;
using storage::LabelLineFate;
using storage::Result;
using storage::Task;

namespace {

constexpr std::size_t kPayloadBytesPerBatch = 1024 * 1024;
constexpr std::int64_t kKeepMs = 2'000;  // for one stream in a round of keep()
constexpr std::uint32_t kRowsPerPage = 500;

// Puts a payload as one call alone would.
storage::LabelLine label_line(const LabelStream& stream, LabelRecord& record) {
  storage::LabelLine line;
  line.key = std::move(record.key);
  line.put.name = stream.name;
  line.put.payload = std::move(record.payload);
  const auto bytes = bytes_of(line.put.payload);
  Md5 md5;
  md5.update(bytes);
  line.put.md5 = md5.finish();
  ChecksumHasher checksum(ChecksumAlgorithm::crc64nvme);
  checksum.update(bytes);
  line.put.checksum.algorithm = ChecksumAlgorithm::crc64nvme;
  line.put.checksum.value = checksum.finish();
  line.put.check = [](const storage::ObjectInfo& version) -> Result<> {
    return has_customer_key(version) ? Result<>(make_error_code(S3Error::invalid_request)) : storage::success();
  };
  return line;
}

const char* reason_of(LabelLineFate fate) {
  switch (fate) {
    case LabelLineFate::applied:
    case LabelLineFate::pending:
      break;
    case LabelLineFate::pending_full:
      return "the key has no object, and the bucket keeps no more labels without one";
    case LabelLineFate::annotation_limit:
      return "the object has as many annotations as it may have";
    case LabelLineFate::refused:
      return "the object is encrypted with a key of its client";
  }
  return "";
}

void reject(LabelStream& stream, std::uint64_t line, std::string_view reason) {
  ++stream.rejected;
  if (stream.errors.size() < LabelStreams::kErrorsMax) stream.errors.emplace_back(line, reason);
}

}  // namespace

std::string LabelStream::report() const {
  nlohmann::ordered_json json;
  json["name"] = name;
  json["state"] = done ? "done" : "running";
  json["lines"] = lines;
  json["applied"] = applied;
  json["pending"] = pending;
  json["rejected"] = rejected;
  json["errors"] = nlohmann::ordered_json::array();
  for (const auto& [at, reason] : errors) {
    nlohmann::ordered_json error;
    error["line"] = at;
    error["reason"] = reason;
    json["errors"].push_back(std::move(error));
  }
  return json.dump();
}

std::string LabelStream::text() const {
  const nlohmann::json json = {{"name", name},       {"bucket", bucket},   {"bucket_id", bucket_id}, {"object", object},
                               {"etag", etag},       {"size", size},       {"csv", csv},             {"done", done},
                               {"offset", offset},   {"line", line},       {"lines", lines},         {"applied", applied},
                               {"pending", pending}, {"rejected", rejected}, {"errors", errors},     {"modified", modified_ms}};
  return json.dump();
}

std::optional<LabelStream> LabelStream::parse(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  LabelStream stream;
  try {
    json.at("name").get_to(stream.name);
    json.at("bucket").get_to(stream.bucket);
    json.at("bucket_id").get_to(stream.bucket_id);
    json.at("object").get_to(stream.object);
    json.at("etag").get_to(stream.etag);
    json.at("size").get_to(stream.size);
    json.at("csv").get_to(stream.csv);
    json.at("done").get_to(stream.done);
    json.at("offset").get_to(stream.offset);
    json.at("line").get_to(stream.line);
    json.at("lines").get_to(stream.lines);
    json.at("applied").get_to(stream.applied);
    json.at("pending").get_to(stream.pending);
    json.at("rejected").get_to(stream.rejected);
    json.at("errors").get_to(stream.errors);
    json.at("modified").get_to(stream.modified_ms);
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
  return stream;
}

// Lines that are read and not dealt with yet.
struct LabelStreams::Batch {
  struct Item {
    std::uint64_t line = 0;
    std::uint64_t end = 0;
    std::uint64_t next_line = 0;
    std::string reason;  // of a bad one
  };
  std::deque<Item> items;
  std::vector<storage::LabelLine> lines;  // of the good ones
  std::size_t payload_bytes = 0;
  bool ended = false;  // nothing follows

  void add(LabelRecord record, std::uint64_t next_line, const LabelStream& stream) {
    Item& item = items.emplace_back();
    item.line = record.line;
    item.end = record.end;
    item.next_line = next_line;
    item.reason = std::move(record.reason);
    if (!item.reason.empty()) return;
    payload_bytes += record.payload.size();
    lines.push_back(label_line(stream, record));
  }
  bool full() const { return items.size() >= kLinesPerBatch || payload_bytes >= kPayloadBytesPerBatch; }

  // What the stream is once the first `fates` of the good lines are dealt with, and the bad ones up to there. How many items
  // that were.
  std::size_t account(LabelStream& stream, const std::vector<LabelLineFate>& fates) const {
    std::size_t good = 0;
    std::size_t dealt = 0;
    for (const Item& item : items) {
      if (item.reason.empty()) {
        if (good == fates.size()) break;
        const LabelLineFate fate = fates[good++];
        if (fate == LabelLineFate::applied) ++stream.applied;
        else if (fate == LabelLineFate::pending) ++stream.pending;
        else reject(stream, item.line, reason_of(fate));
      } else {
        reject(stream, item.line, item.reason);
      }
      ++stream.lines;
      ++dealt;
      stream.offset = item.end;
      stream.line = item.next_line;
    }
    if (dealt == items.size() && ended) stream.done = true;
    return dealt;
  }

  void drop(std::size_t dealt, std::size_t good) {
    items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(dealt));
    for (std::size_t i = 0; i < good; ++i) payload_bytes -= lines[i].put.payload.size();
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(good));
  }
};

std::string LabelStreams::row_name(std::uint64_t bucket_id, std::string_view name) {
  const Sha256Digest hash = sha256(name);
  return std::to_string(bucket_id) + '/' +
         to_hex(std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size()));
}

Task<Result<LabelStream>> LabelStreams::find(std::string row) {
  const auto found = co_await store_.registry_row(std::string(kStreamTable), std::move(row));
  if (!found) co_return found.error();
  auto stream = LabelStream::parse(found->value);
  if (!stream) co_return Errc::corrupt_record;
  co_return std::move(*stream);
}

Task<Result<>> LabelStreams::save(const std::string& row, const LabelStream& stream) {
  storage::RegistryRow value{row, stream.text(), 0};
  const auto saved = co_await store_.put_registry_row(std::string(kStreamTable), std::move(value), std::nullopt);
  if (!saved) co_return saved.error();
  co_return storage::success();
}

Task<Result<LabelStream>> LabelStreams::begin(LabelStream stream) {
  const std::string row = row_name(stream.bucket_id, stream.name);
  while (true) {
    const auto before = co_await store_.registry_row(std::string(kStreamTable), row);
    if (!before && before.error() != Errc::not_found) co_return before.error();
    if (before) {
      auto running = LabelStream::parse(before->value);
      if (running && !running->done) co_return std::move(*running);
    }
    storage::RegistryRow value{row, stream.text(), 0};
    const auto put =
        co_await store_.put_registry_row(std::string(kStreamTable), std::move(value), before ? before->revision : 0);
    if (put) co_return stream;
    if (put.error() != Errc::conflict) co_return put.error();
  }
}

bool LabelStreams::claim(const std::string& row) {
  const std::lock_guard lock(mutex_);
  return driven_.insert(row).second;
}

void LabelStreams::release(const std::string& row) {
  {
    const std::lock_guard lock(mutex_);
    driven_.erase(row);
  }
  changed_.wake();
}

Task<Result<LabelStream>> LabelStreams::drive(std::string row, std::int64_t wait_ms) {
  const std::int64_t until_ms = clock_.monotonic_ns() / 1'000'000 + wait_ms;
  while (true) {
    const std::uint64_t seen = changed_.generation();
    if (claim(row)) {
      auto stream = co_await advance(row, until_ms);
      release(row);
      co_return stream;
    }
    const std::int64_t left_ms = until_ms - clock_.monotonic_ns() / 1'000'000;
    if (left_ms <= 0) co_return co_await find(std::move(row));
    const auto outcome = co_await changed_.wait(seen, std::chrono::milliseconds(left_ms));
    if (outcome == storage::Signal::Outcome::cancelled) co_return Errc::shutting_down;
  }
}

Task<Result<LabelStream>> LabelStreams::advance(std::string row, std::int64_t until_ms) {
  auto found = co_await find(row);
  if (!found || found->done) co_return found;
  LabelStream stream = std::move(*found);
  const storage::ObjectKey place{std::string(kHiddenBucket), stream.object};
  auto object = co_await store_.open(place);
  if (!object) co_return object.error();
  auto reader = (*object)->read(stream.offset, stream.size - stream.offset);
  LabelLines lines(stream.csv ? LabelLines::Format::csv : LabelLines::Format::json, stream.offset, stream.line);
  Batch batch;
  bool read_all = false;
  while (!stream.done) {
    while (!batch.full() && !batch.ended) {
      auto record = lines.next();
      if (record) {
        batch.add(std::move(*record), lines.line(), stream);
        continue;
      }
      batch.ended = read_all;
      if (batch.ended) break;
      const auto chunk = co_await reader->next();
      if (!chunk) co_return chunk.error();
      read_all = chunk->bytes.empty();
      if (read_all) lines.finish();
      else lines.feed({reinterpret_cast<const char*>(chunk->bytes.data()), chunk->bytes.size()});
    }
    LabelStream next = stream;
    next.modified_ms = clock_.wall_ms();
    if (batch.lines.empty()) {
      const std::size_t dealt = batch.account(next, {});
      const Result<> saved = co_await save(row, next);
      if (!saved) co_return saved.error();
      batch.drop(dealt, 0);
    } else {
      const auto progress = [&](const std::vector<LabelLineFate>& fates) {
        LabelStream after = stream;
        after.modified_ms = next.modified_ms;
        batch.account(after, fates);
        return storage::CompanionRow{std::string(kStreamTable), row, after.text()};
      };
      const auto fates = co_await store_.put_annotations(stream.bucket, batch.lines, progress);
      if (!fates) co_return fates.error();
      const std::size_t dealt = batch.account(next, *fates);
      batch.drop(dealt, fates->size());
    }
    stream = std::move(next);
    if (clock_.monotonic_ns() / 1'000'000 >= until_ms) break;
  }
  if (stream.done) {
    storage::RemoveRequest removal;
    removal.key = stream.object;
    // A leftover is harmless: sweep() of the next start finds it.
    const auto removed = co_await store_.remove(std::string(kHiddenBucket), std::move(removal));
    if (!removed) storage::log_warn("label_stream_left", {{"what", removed.error().message()}});
  }
  co_return stream;
}

Task<Result<>> LabelStreams::sweep() {
  const auto bucket = co_await store_.bucket(std::string(kHiddenBucket));
  if (!bucket) co_return bucket.error() == Errc::bucket_not_found ? storage::success() : Result<>(bucket.error());
  std::set<std::string> wanted;
  std::string after;
  while (true) {
    const auto rows = co_await store_.registry_rows(std::string(kStreamTable), after, kRowsPerPage);
    if (!rows) co_return rows.error();
    if (rows->empty()) break;
    for (const storage::RegistryRow& row : *rows) {
      const auto stream = LabelStream::parse(row.value);
      if (stream && !stream->done) wanted.insert(stream->object);
    }
    after = rows->back().name;
  }
  storage::ListOptions options;
  options.prefix = kStreamPrefix;
  while (true) {
    const auto page = co_await store_.list(std::string(kHiddenBucket), options);
    if (!page) co_return page.error();
    for (const storage::ObjectInfoPtr& object : page->objects) {
      if (wanted.contains(object->key)) continue;
      storage::RemoveRequest removal;
      removal.key = object->key;
      const auto removed = co_await store_.remove(std::string(kHiddenBucket), std::move(removal));
      if (!removed) co_return removed.error();
    }
    if (!page->truncated) co_return storage::success();
    options.after = page->next_after;
  }
}

Task<> LabelStreams::keep() {
  std::string after;
  while (true) {
    const auto rows = co_await store_.registry_rows(std::string(kStreamTable), after, kRowsPerPage);
    if (!rows || rows->empty()) co_return;
    for (const storage::RegistryRow& row : *rows) {
      const auto stream = LabelStream::parse(row.value);
      if (!stream || stream->done) continue;
      const auto bucket = co_await store_.bucket(stream->bucket);
      const bool gone = bucket ? (*bucket)->id != stream->bucket_id : bucket.error() == Errc::bucket_not_found;
      if (gone) {
        const auto dropped = co_await store_.remove_registry_row(std::string(kStreamTable), row.name, row.revision);
        if (!dropped) storage::log_warn("label_stream_left", {{"what", dropped.error().message()}});
        continue;
      }
      const auto driven = co_await drive(row.name, kKeepMs);
      if (!driven) storage::log_warn("label_stream_stopped", {{"what", driven.error().message()}});
    }
    after = rows->back().name;
  }
}

}  // namespace api
