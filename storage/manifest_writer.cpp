#include "storage/manifest_writer.h"

#include <algorithm>

#include "storage/dataset/sample_name.h"
#include "storage/dataset_rows.h"

namespace storage {
namespace {

constexpr std::uint32_t kManifestVersion = 1;
// Samples whose names are compared in one pass over the rows: 64 MiB.
constexpr std::uint64_t kSamplesPerPass = std::uint64_t{1} << 22;
constexpr std::uint64_t kRowsPerRead = 8192;

void append_u64(std::string& to, std::uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) to += static_cast<char>(number >> shift);
}

void append_u32(std::string& to, std::uint32_t number) {
  for (int shift = 0; shift < 32; shift += 8) to += static_cast<char>(number >> shift);
}

}  // namespace

ManifestWriter::ManifestWriter(ObjectStore::State& state, Options options)
    : state_(state),
      options_(std::move(options)),
      chunk_bytes_(std::min<std::size_t>(options_.chunk_bytes, state.segments.append_bytes_max())),
      csv_lines_(dataset::manifest_csv_header().size()) {
  rows_.name = "rows";
  records_.name = "records";
  index_.name = "index";
  for (File* const file : {&rows_, &records_, &index_}) file->body.blob = random_blob_id();
}

Task<Result<>> ManifestWriter::flush(File& file) {
  std::span<const std::byte> bytes = std::as_bytes(std::span(file.waiting));
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), chunk_bytes_));
    segment::PieceName name{file.body.blob, options_.bucket, ".granary/datasets/" + options_.dataset + '/' + file.name};
    auto written = co_await state_.segments.append(std::move(name), piece);
    if (!written) co_return written.error();
    file.body.size += piece.size();
    file.body.extents.push_back(written->extent);
    file.body.pins.push_back(std::move(written->pin));
    bytes = bytes.subspan(piece.size());
  }
  file.waiting.clear();
  co_return success();
}

Task<Result<>> ManifestWriter::append(File& file, std::string_view bytes) {
  file.waiting += bytes;
  if (file.waiting.size() < chunk_bytes_) co_return success();
  co_return co_await flush(file);
}

Task<Result<>> ManifestWriter::add(const dataset::SampleFacts& facts, const std::string& record) {
  if (count_ == dataset::kSamplesMax) co_return Errc::too_large;
  const dataset::SampleName name = dataset::SampleName::of(facts.key);
  dataset::ManifestRow row;
  row.record_begin = records_.body.size + records_.waiting.size();
  row.record_bytes = static_cast<std::uint32_t>(record.size());
  row.base_bytes = static_cast<std::uint16_t>(name.base.size());
  row.extension_bytes = static_cast<std::uint16_t>(name.extension.size());
  row.object_bytes = facts.size;
  row.json_bytes = dataset::sample_json_bytes(facts);
  row.base_hash = dataset::base_hash(name.base);
  row.json_object = name.is_json();
  json_lines_ += dataset::manifest_json_line(count_, facts).size();
  csv_lines_ += dataset::manifest_csv_line(count_, facts).size();
  row.json_lines_end = json_lines_;
  row.csv_lines_end = csv_lines_;
  std::string encoded;
  row.append_to(encoded);
  digest_.add(facts);
  if (options_.own_order) keys_.emplace_back(facts.key, static_cast<std::uint32_t>(count_));
  ++count_;
  bytes_ += facts.size;
  Result<> added = co_await append(rows_, encoded);
  if (added) added = co_await append(records_, record);
  co_return added;
}

// Of what is durable already, which pins keep in place.
Task<Result<std::string>> ManifestWriter::read_back(const File& file, std::uint64_t offset, std::uint64_t length) {
  std::string bytes;
  std::uint64_t begin = 0;
  for (const segment::Extent& extent : file.body.extents) {
    const std::uint64_t end = begin + extent.length;
    while (offset < end && bytes.size() < length) {
      const auto from = static_cast<std::uint32_t>(offset - begin);
      std::uint64_t wanted = std::min<std::uint64_t>(extent.length - from, length - bytes.size());
      wanted = std::min<std::uint64_t>(wanted, state_.segments.piece_bytes(extent, from));
      auto slice = co_await state_.segments.read(extent, from, static_cast<std::uint32_t>(wanted), state_.reader_pool);
      if (!slice) co_return slice.error();
      const auto read = slice->bytes();
      bytes.append(reinterpret_cast<const char*>(read.data()), read.size());
      offset += read.size();
    }
    if (bytes.size() == length) break;
    begin = end;
  }
  if (bytes.size() != length) co_return Errc::corrupt_record;
  co_return bytes;
}

// Marks the samples of this pass, a part of all hash values, whose hash another one has too.
Task<Result<>> ManifestWriter::hash_pass(std::uint64_t pass, std::uint64_t passes, std::vector<std::uint64_t>& repeated) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> hashes;
  for (std::uint64_t begin = 0; begin < count_; begin += kRowsPerRead) {
    const std::uint64_t count = std::min(kRowsPerRead, count_ - begin);
    auto bytes = co_await read_back(rows_, begin * dataset::kManifestRowBytes, count * dataset::kManifestRowBytes);
    if (!bytes) co_return bytes.error();
    const auto span = std::as_bytes(std::span(*bytes));
    for (std::uint64_t i = 0; i < count; ++i) {
      dataset::ManifestRow row;
      if (!row.read(span.subspan(i * dataset::kManifestRowBytes, dataset::kManifestRowBytes))) co_return Errc::corrupt_record;
      if (row.base_hash % passes == pass) hashes.emplace_back(row.base_hash, static_cast<std::uint32_t>(begin + i));
    }
  }
  std::sort(hashes.begin(), hashes.end());
  for (std::size_t i = 0; i + 1 < hashes.size(); ++i) {
    if (hashes[i].first != hashes[i + 1].first) continue;
    for (const std::uint32_t index : {hashes[i].second, hashes[i + 1].second}) {
      repeated[index / 64] |= std::uint64_t{1} << index % 64;
    }
  }
  co_return success();
}

Task<Result<std::vector<std::uint64_t>>> ManifestWriter::repeated_bases() {
  std::vector<std::uint64_t> repeated((count_ + 63) / 64);
  const std::uint64_t passes = count_ / kSamplesPerPass + 1;
  for (std::uint64_t pass = 0; pass < passes; ++pass) {
    Result<> marked = co_await hash_pass(pass, passes, repeated);
    if (!marked) co_return marked.error();
  }
  co_return repeated;
}

Task<Result<>> ManifestWriter::write_index(records::Dataset& dataset) {
  auto repeated = co_await repeated_bases();
  if (!repeated) co_return repeated.error();
  dataset.set_repeated_bases(std::any_of(repeated->begin(), repeated->end(), [](std::uint64_t word) { return word != 0; }));
  if (dataset.repeated_bases()) {
    for (const std::uint64_t word : *repeated) {
      append_u64(index_.waiting, word);
      if (index_.waiting.size() < chunk_bytes_) continue;
      Result<> written = co_await flush(index_);
      if (!written) co_return written;
    }
  }
  dataset.set_own_order(options_.own_order);
  std::sort(keys_.begin(), keys_.end());
  for (const auto& [key, index] : keys_) {
    append_u32(index_.waiting, index);
    if (index_.waiting.size() < chunk_bytes_) continue;
    Result<> written = co_await flush(index_);
    if (!written) co_return written;
  }
  co_return co_await flush(index_);
}

records::SealedFile ManifestWriter::describe(const File& file) {
  records::SealedFile row;
  row.set_blob_id(blob_bytes(file.body.blob));
  row.set_blob_chunks(static_cast<std::uint32_t>((file.body.extents.size() + kExtentsPerChunk - 1) / kExtentsPerChunk));
  row.set_size(file.body.size);
  return row;
}

Task<Result<>> ManifestWriter::finish(records::Dataset& dataset) {
  Result<> written = co_await flush(rows_);
  if (written) written = co_await flush(records_);
  if (written) written = co_await write_index(dataset);
  if (!written) co_return written;
  dataset.set_manifest_version(kManifestVersion);
  dataset.set_count(count_);
  dataset.set_bytes(bytes_);
  dataset.set_digest(digest_.finish());
  dataset.set_json_lines_bytes(json_lines_);
  dataset.set_csv_lines_bytes(csv_lines_);
  *dataset.mutable_rows() = describe(rows_);
  *dataset.mutable_records() = describe(records_);
  *dataset.mutable_index() = describe(index_);
  co_return success();
}

void ManifestWriter::add_rows(const records::Dataset& dataset, metadata::Transaction& transaction,
                              upkeep::LiveChange& change) const {
  for (const File* const file : {&rows_, &records_, &index_}) {
    if (file->body.extents.empty()) continue;
    state_.add_blob_rows(transaction, file->body, dataset_rows::holder(dataset.id()), change);
  }
}

}  // namespace storage
