#include "storage/segment_catalog.h"

#include "storage/keys.h"
#include "storage/records.h"

namespace storage {
namespace {

std::string encode_segment(const segment::SegmentRecord& record) {
  records::Segment row;
  row.set_data(record.data);
  row.set_parity(record.parity);
  row.set_epoch(record.epoch);
  row.set_state(static_cast<std::uint32_t>(record.state));
  row.set_created_ms(record.created_ms);
  for (const auto& member : record.members) {
    row.add_drives(member.drive);
    row.add_zones(member.zone);
  }
  return serialize(row);
}

Result<segment::SegmentRecord> decode_segment(const metadata::Entry& entry) {
  const auto id = keys::segment_id(entry.key);
  records::Segment row;
  if (!id) return Errc::corrupt_record;
  Result<> parsed = parse(entry.value, row);
  if (!parsed) return parsed.error();
  const bool sound = row.drives_size() == row.zones_size() &&
                     static_cast<std::uint32_t>(row.drives_size()) == row.data() + row.parity() && row.data() > 0 &&
                     (row.state() == static_cast<std::uint32_t>(segment::SegmentRecord::State::open) ||
                      row.state() == static_cast<std::uint32_t>(segment::SegmentRecord::State::sealed));
  if (!sound) return Errc::corrupt_record;
  segment::SegmentRecord record;
  record.id = *id;
  record.data = row.data();
  record.parity = row.parity();
  record.epoch = row.epoch();
  record.state = static_cast<segment::SegmentRecord::State>(row.state());
  record.created_ms = row.created_ms();
  for (int i = 0; i < row.drives_size(); ++i) record.members.push_back({row.drives(i), row.zones(i)});
  return record;
}

}  // namespace

Task<Result<segment::SegmentCatalog::Loaded>> MetadataSegmentCatalog::load() {
  Loaded loaded;
  metadata::KeyRange range = metadata::prefix_range(keys::segment_prefix());
  while (true) {
    auto page = co_await metadata_.scan(range, metadata::kMaxPageEntries);
    if (!page) co_return page.error();
    for (const metadata::Entry& entry : page->entries) {
      auto record = decode_segment(entry);
      if (!record) co_return record.error();
      loaded.records.push_back(std::move(*record));
    }
    if (!page->next) break;
    range.begin = std::move(*page->next);
  }
  auto highest = co_await metadata_.get(keys::segment_highest());
  if (!highest && highest.error() != Errc::not_found) co_return highest.error();
  if (highest) {
    auto value = metadata::counter_value(highest->value);
    if (!value) co_return value.error();
    loaded.highest_id = static_cast<segment::SegmentId>(*value);
  }
  if (!loaded.records.empty()) loaded.highest_id = std::max(loaded.highest_id, loaded.records.back().id);
  co_return loaded;
}

Task<Result<>> MetadataSegmentCatalog::add(segment::SegmentRecord record) {
  for (int attempt = 0; attempt < 64; ++attempt) {
    metadata::Transaction transaction;
    transaction.may_use_reserve = true;  // there are at most as many segments as zones, and the collector needs some
    const std::string key = keys::segment(record.id);
    transaction.require_absent(key);
    transaction.put(key, encode_segment(record));
    auto highest = co_await metadata_.get(keys::segment_highest());
    std::int64_t value = 0;
    if (highest) {
      auto stored = metadata::counter_value(highest->value);
      if (!stored) co_return stored.error();
      value = *stored;
      transaction.require_revision(keys::segment_highest(), highest->revision);
    } else if (highest.error() == Errc::not_found) {
      transaction.require_absent(keys::segment_highest());
    } else {
      co_return highest.error();
    }
    transaction.put(keys::segment_highest(),
                    metadata::counter_bytes(std::max(value, static_cast<std::int64_t>(record.id))));
    auto revision = co_await metadata_.commit(std::move(transaction));
    if (revision) co_return success();
    if (revision.error() != Errc::conflict) co_return revision.error();
    // Two segments opened at once meet on the highest id; a taken id is the caller's to learn.
    auto taken = co_await metadata_.get(key);
    if (taken) co_return Errc::conflict;
  }
  co_return Errc::conflict;
}

Task<Result<>> MetadataSegmentCatalog::replace(segment::SegmentRecord expected, segment::SegmentRecord record) {
  const std::string key = keys::segment(record.id);
  auto entry = co_await metadata_.get(key);
  if (!entry) co_return entry.error();
  auto stored = decode_segment(*entry);
  if (!stored) co_return stored.error();
  if (*stored != expected) co_return Errc::conflict;
  metadata::Transaction transaction;
  transaction.may_use_reserve = true;
  transaction.require_revision(key, entry->revision);
  transaction.put(key, encode_segment(record));
  auto revision = co_await metadata_.commit(std::move(transaction));
  if (!revision) co_return revision.error();
  co_return success();
}

Task<Result<>> MetadataSegmentCatalog::remove(std::vector<segment::SegmentId> ids) {
  metadata::Transaction transaction;
  for (const segment::SegmentId id : ids) transaction.remove(keys::segment(id));
  auto revision = co_await metadata_.commit(std::move(transaction));
  if (!revision) co_return revision.error();
  co_return success();
}

}  // namespace storage
