#include "storage/sealed_dataset.h"

#include <algorithm>
#include <mutex>

#include "storage/dataset_rows.h"
#include "storage/dataset_shelf.h"
#include "storage/labels/label_sources.h"
#include "storage/sealed_sample.h"
#include "storage/version_reader.h"

namespace storage {
namespace {

// How often a version may go from its key to what is kept, or from one row of its key to another, while it is looked for.
constexpr int kLookAttemptsMax = 16;
constexpr std::uint64_t kRecordBytesPerRead = 1024 * 1024;

class OpenDataset final : public SealedDataset {
 public:
  OpenDataset(ObjectStore::State& state, keys::BucketId bucket, DatasetInfo info, const records::Dataset& row)
      : state_(state),
        bucket_(bucket),
        info_(std::move(info)),
        row_(row),
        rows_(state, row.rows(), state.shelf->pages),
        records_(state, row.records(), state.shelf->pages),
        index_(state, row.index(), state.shelf->pages) {}

  const DatasetInfo& info() const override { return info_; }
  bool in_key_order() const override { return !row_.own_order(); }
  Task<Result<BucketInfoPtr>> bucket() override;
  Task<Result<dataset::ManifestRow>> row(std::uint64_t index) override;
  Task<Result<SealedSamplePtr>> sample(std::uint64_t index) override;
  Task<Result<std::vector<SealedSamplePtr>>> samples(std::uint64_t begin, std::uint32_t limit) override;
  Task<Result<bool>> repeated_base(std::uint64_t index) override;
  Task<Result<SealedSamplePtr>> find(std::string key) override;
  Task<Result<std::uint64_t>> lower_bound(std::string key) override;
  Task<Result<std::uint64_t>> index_at(std::uint64_t place) override;
  Task<Result<ObjectPage>> list(ListOptions options, SampleJudge judge) override;
  Task<Result<std::unique_ptr<OpenObject>>> open(SealedSamplePtr sample) override;
  Task<Result<std::string>> payload(SealedSamplePtr sample, std::size_t annotation) override;
  Task<Result<std::string>> payload_json(SealedSamplePtr sample, std::size_t annotation) override;

 private:
  Task<Result<records::SealedSample>> record(dataset::ManifestRow row);
  Task<Result<std::unique_ptr<OpenObject>>> open_at(SealedSamplePtr sample, const records::Version& version,
                                                    std::optional<records::Parts> parts);

  ObjectStore::State& state_;
  const keys::BucketId bucket_;
  const DatasetInfo info_;
  const records::Dataset row_;
  SealedFile rows_;
  SealedFile records_;
  SealedFile index_;
};

Task<Result<BucketInfoPtr>> OpenDataset::bucket() {
  auto of = co_await state_.find_bucket(info_.bucket);
  if (!of) co_return of.error();
  if ((*of)->id != bucket_) co_return Errc::bucket_not_found;
  const BucketInfo& from = (*of)->info;
  auto bucket = std::make_shared<BucketInfo>();
  bucket->name = dataset_rows::bucket_name(info_.name, info_.bucket);
  bucket->owner_id = from.owner_id;
  bucket->location = from.location;
  bucket->created_ms = info_.sealed_ms;
  bucket->dataset_bucket = info_.bucket;
  // Another id than B's, whose settings are others: caches of settings go by it. Ids of buckets never come so far.
  bucket->id = std::uint64_t{1} << 63;
  for (std::size_t i = 0; i < 7 && i < info_.id.size(); ++i) {
    bucket->id |= std::uint64_t{static_cast<unsigned char>(info_.id[i])} << 8 * i;
  }
  bucket->revision = from.revision;
  // Who may read, and nothing else of B's configuration.
  for (const char* const name : {"policy", "acl", "ownership", "public-access-block"}) {
    const auto setting = from.settings.find(name);
    if (setting != from.settings.end()) bucket->settings.insert(*setting);
  }
  co_return BucketInfoPtr(std::move(bucket));
}

Task<Result<dataset::ManifestRow>> OpenDataset::row(std::uint64_t index) {
  if (index >= info_.count) co_return Errc::invalid_argument;
  auto bytes = co_await rows_.read_paged(index * dataset::kManifestRowBytes, dataset::kManifestRowBytes);
  if (!bytes) co_return bytes.error();
  dataset::ManifestRow row;
  if (!row.read(std::as_bytes(std::span(*bytes)))) co_return Errc::corrupt_record;
  co_return row;
}

Task<Result<records::SealedSample>> OpenDataset::record(dataset::ManifestRow row) {
  Result<std::string> bytes = Errc::corrupt_record;
  if (row.record_bytes <= SealedFile::kPageBytes) {
    bytes = co_await records_.read_paged(row.record_begin, row.record_bytes);
  } else {
    bytes = co_await records_.read(row.record_begin, row.record_bytes);
  }
  if (!bytes) co_return bytes.error();
  records::SealedSample record;
  if (!record.ParseFromString(*bytes)) co_return Errc::corrupt_record;
  co_return record;
}

Task<Result<SealedSamplePtr>> OpenDataset::sample(std::uint64_t index) {
  auto row = co_await this->row(index);
  if (!row) co_return row.error();
  auto record = co_await this->record(*row);
  if (!record) co_return record.error();
  co_return decode_sample(index, std::move(*record));
}

Task<Result<std::vector<SealedSamplePtr>>> OpenDataset::samples(std::uint64_t begin, std::uint32_t limit) {
  if (begin >= info_.count || limit < 1 || limit > kSamplesPerPageMax) co_return Errc::invalid_argument;
  const std::uint64_t count = std::min<std::uint64_t>(limit, info_.count - begin);
  auto bytes = co_await rows_.read(begin * dataset::kManifestRowBytes, count * dataset::kManifestRowBytes);
  if (!bytes) co_return bytes.error();
  const auto span = std::as_bytes(std::span(*bytes));
  std::vector<dataset::ManifestRow> rows(count);
  std::uint64_t record_bytes = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!rows[i].read(span.subspan(i * dataset::kManifestRowBytes, dataset::kManifestRowBytes))) co_return Errc::corrupt_record;
    record_bytes += rows[i].record_bytes;
    if (record_bytes > kRecordBytesPerRead && i > 0) {
      record_bytes -= rows[i].record_bytes;
      rows.resize(i);
      break;
    }
  }
  auto text = co_await records_.read(rows.front().record_begin, record_bytes);
  if (!text) co_return text.error();
  std::vector<SealedSamplePtr> samples;
  std::size_t at = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    records::SealedSample record;
    if (!record.ParseFromArray(text->data() + at, static_cast<int>(rows[i].record_bytes))) co_return Errc::corrupt_record;
    at += rows[i].record_bytes;
    auto sample = decode_sample(begin + i, std::move(record));
    if (!sample) co_return sample.error();
    samples.push_back(std::move(*sample));
  }
  co_return samples;
}

Task<Result<bool>> OpenDataset::repeated_base(std::uint64_t index) {
  if (!row_.repeated_bases()) co_return false;
  auto word = co_await index_.read_paged(index / 64 * 8, 8);
  if (!word) co_return Result<bool>(boost::system::in_place_error, word.error());
  co_return (static_cast<unsigned char>((*word)[index % 64 / 8]) >> index % 8 & 1) != 0;
}

Task<Result<std::uint64_t>> OpenDataset::index_at(std::uint64_t place) {
  if (place >= info_.count) co_return Errc::invalid_argument;
  if (!row_.own_order()) co_return place;
  const std::uint64_t begin = row_.repeated_bases() ? (info_.count + 63) / 64 * 8 : 0;
  auto bytes = co_await index_.read_paged(begin + place * 4, 4);
  if (!bytes) co_return bytes.error();
  std::uint64_t index = 0;
  for (std::size_t i = 0; i < 4; ++i) index |= std::uint64_t{static_cast<unsigned char>((*bytes)[i])} << 8 * i;
  if (index >= info_.count) co_return Errc::corrupt_record;
  co_return index;
}

Task<Result<std::uint64_t>> OpenDataset::lower_bound(std::string key) {
  std::uint64_t low = 0;
  std::uint64_t high = info_.count;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    auto index = co_await index_at(middle);
    if (!index) co_return index.error();
    auto row = co_await this->row(*index);
    if (!row) co_return row.error();
    auto record = co_await this->record(*row);
    if (!record) co_return record.error();
    if (record->key() < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  co_return low;
}

Task<Result<SealedSamplePtr>> OpenDataset::find(std::string key) {
  auto place = co_await lower_bound(key);
  if (!place) co_return place.error();
  if (*place == info_.count) co_return Errc::not_found;
  auto index = co_await index_at(*place);
  if (!index) co_return index.error();
  auto found = co_await sample(*index);
  if (found && (*found)->facts.key != key) co_return Errc::not_found;
  co_return found;
}

// What all keys beneath `prefix` are below; empty: no key is above them.
std::string behind(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

Task<Result<ObjectPage>> OpenDataset::list(ListOptions options, SampleJudge judge) {
  if (options.entries_max > kListEntriesMax) co_return Errc::invalid_argument;
  ObjectPage page;
  if (options.entries_max == 0) co_return page;
  auto place = co_await lower_bound(std::max(options.prefix, options.after.empty() ? std::string() : options.after + '\0'));
  if (!place) co_return place.error();
  std::vector<SealedSamplePtr> ahead;  // samples from ahead.front()->index on, where they lie by key
  while (*place < info_.count) {
    auto index = co_await index_at(*place);
    if (!index) co_return index.error();
    const bool at_hand = !ahead.empty() && *index >= ahead.front()->index && *index - ahead.front()->index < ahead.size();
    if (!at_hand) {
      auto more = co_await samples(*index, row_.own_order() ? 1 : std::min<std::uint32_t>(options.entries_max + 1, 256));
      if (!more) co_return more.error();
      ahead = std::move(*more);
    }
    const SealedSamplePtr sample = ahead[*index - ahead.front()->index];
    const std::string& key = sample->facts.key;
    if (!key.starts_with(options.prefix)) break;
    const std::size_t at = options.delimiter.empty() ? std::string::npos : key.find(options.delimiter, options.prefix.size());
    const std::string group = at == std::string::npos ? std::string() : key.substr(0, at + options.delimiter.size());
    const bool passed = !group.empty() && group <= options.after;
    if (!passed && judge && judge(*sample->info, sample->facts.labels) != SampleVerdict::take) {
      ++*place;
      continue;
    }
    if (!passed) {
      if (page.objects.size() + page.common_prefixes.size() == options.entries_max) {
        page.truncated = true;
        break;
      }
      page.next_after = group.empty() ? key : group;
      if (group.empty()) {
        page.objects.push_back(sample->info);
      } else {
        page.common_prefixes.push_back(group);
      }
    }
    if (group.empty()) {
      ++*place;
      continue;
    }
    const std::string end = behind(group);
    if (end.empty()) break;
    place = co_await lower_bound(end);
    if (!place) co_return place.error();
  }
  if (!page.truncated) page.next_after.clear();
  co_return page;
}

// `version`: the row that holds the sample's bytes now. What the sample is stays as it was sealed.
Task<Result<std::unique_ptr<OpenObject>>> OpenDataset::open_at(SealedSamplePtr sample, const records::Version& version,
                                                               std::optional<records::Parts> parts) {
  auto record = std::make_shared<HeadRecord>();
  records::Version& current = *record->row.mutable_current();
  current = sample->record->version();
  if (version.has_extent()) *current.mutable_extent() = version.extent();
  current.set_blob_id(version.blob_id());
  current.set_blob_chunks(version.blob_chunks());
  current.set_number(version.number());
  current.set_labels(sample->record->labels());
  record->info = sample->info;
  auto opened = std::make_unique<OpenVersion>(state_, bucket_, std::move(record), std::move(parts));
  Result<> loaded = co_await opened->load();
  if (!loaded) co_return loaded.error();
  co_return std::unique_ptr<OpenObject>(std::move(opened));
}

// The version is its key's, in the head or among the older ones, or it is kept. It never comes back from there: the key is
// looked at first.
Task<Result<std::unique_ptr<OpenObject>>> OpenDataset::open(SealedSamplePtr sample) {
  const records::Version& sealed = sample->record->version();
  for (int attempt = 0; attempt < kLookAttemptsMax; ++attempt) {
    auto live = co_await state_.find_version(bucket_, sample->record->key(), sample->info->version_id);
    const bool absent = !live && (live.error() == Errc::not_found || live.error() == Errc::version_not_found);
    if (!live && !absent) co_return live.error();
    if (live && (*live)->row.current().holder() == sealed.holder()) {
      auto opened = co_await open_at(sample, (*live)->row.current(), std::nullopt);
      if (opened || opened.error() != Errc::not_found) co_return opened;
      continue;
    }
    auto entry = co_await state_.metadata.get(dataset_rows::kept(bucket_, sealed.holder()));
    if (entry) {
      records::KeptVersion kept;
      Result<> parsed = parse(entry->value, kept);
      if (!parsed) co_return parsed.error();
      std::optional<records::Parts> parts;
      if (kept.has_parts()) parts = kept.parts();
      auto opened = co_await open_at(sample, kept.version(), std::move(parts));
      if (opened || opened.error() != Errc::not_found) co_return opened;
      continue;
    }
    if (entry.error() != Errc::not_found) co_return entry.error();
    // Neither: it moved in between, or the dataset is gone.
  }
  co_return Errc::not_found;
}

// The payload's row goes by the version's holder and stays where it is when the version or the annotation is replaced.
Task<Result<std::string>> OpenDataset::payload(SealedSamplePtr sample, std::size_t annotation) {
  auto sources = labels::decode_sources(sample->record->labels());
  if (!sources) co_return sources.error();
  if (annotation >= sources->annotations.size()) co_return Errc::invalid_argument;
  co_return co_await read_annotation_payload(state_, sample->record->version().holder(), sources->annotations[annotation]);
}

Task<Result<std::string>> OpenDataset::payload_json(SealedSamplePtr sample, std::size_t annotation) {
  auto sources = labels::decode_sources(sample->record->labels());
  if (!sources) co_return sources.error();
  if (annotation >= sources->annotations.size()) co_return Errc::invalid_argument;
  const labels::Annotation& wanted = sources->annotations[annotation];
  auto text = co_await read_annotation_payload(state_, sample->record->version().holder(), wanted);
  if (!text) co_return text.error();
  std::string json;
  if (wanted.json) {
    json = std::move(*text);
  } else {
    labels::append_json(json, std::string_view(*text));
  }
  if (json.size() != wanted.json_length) co_return Errc::corrupt_record;
  co_return json;
}

}  // namespace

DatasetInfo dataset_info(const std::string& bucket, const std::string& name, const records::Dataset& row) {
  DatasetInfo info;
  info.name = name;
  info.bucket = bucket;
  info.id = row.id();
  info.digest = row.digest();
  info.count = row.count();
  info.bytes = row.bytes();
  info.query = row.query();
  info.sealed_ms = row.sealed_ms();
  info.sealed_by = row.sealed_by();
  info.parents.assign(row.parents().begin(), row.parents().end());
  info.group_by = row.group_by();
  for (const records::DatasetSplit& split : row.splits()) info.splits.push_back({split.name(), split.dataset(), split.count()});
  info.mixed_access = row.mixed_access();
  info.json_lines_bytes = row.json_lines_bytes();
  info.csv_lines_bytes = row.csv_lines_bytes();
  return info;
}

SealedDatasetPtr open_sealed(ObjectStore::State& state, keys::BucketId bucket, std::string bucket_name,
                             const std::string& name, const records::Dataset& row) {
  if (SealedDatasetPtr open = state.shelf->open.get(row.id())) return open;
  auto opened = std::make_shared<OpenDataset>(state, bucket, dataset_info(bucket_name, name, row), row);
  // Where a mebibyte of its manifest lies takes 48 bytes.
  const std::uint64_t file_bytes = row.rows().size() + row.records().size() + row.index().size();
  state.shelf->open.put(row.id(), opened, 4096 + file_bytes / (1024 * 1024) * 48);
  return opened;
}

Task<Result<HeadRecordPtr>> ObjectStore::State::find_readable(ObjectKey key, std::string version_id) {
  auto bucket = co_await find_bucket(key.bucket);
  if (bucket) co_return co_await find_version((*bucket)->id, std::move(key.key), std::move(version_id));
  if (bucket.error() != Errc::dataset_bucket) co_return bucket.error();
  auto found = co_await find_sealed(*this, std::move(key), std::move(version_id));
  if (!found) co_return found.error();
  auto record = std::make_shared<HeadRecord>();
  records::Version& version = *record->row.mutable_current();
  version = found->sample->record->version();
  version.set_labels(found->sample->record->labels());
  record->info = found->sample->info;
  co_return HeadRecordPtr(std::move(record));
}

bool is_multipart(const SealedSample& sample) { return sample.record->version().part_count() > 0; }

Task<Result<FoundSample>> find_sealed(ObjectStore::State& state, ObjectKey key, std::string version_id) {
  auto dataset = co_await state.open_dataset_bucket(std::move(key.bucket));
  if (!dataset) co_return dataset.error();
  auto sample = co_await (*dataset)->find(std::move(key.key));
  if (!sample) co_return sample.error();
  // A dataset has one version of a key: its own id names it, and "null" does as in every bucket without versions.
  if (!version_id.empty() && version_id != "null" && version_id != (*sample)->info->version_id) co_return Errc::version_not_found;
  FoundSample found;
  found.dataset = std::move(*dataset);
  found.sample = std::move(*sample);
  co_return found;
}

}  // namespace storage
