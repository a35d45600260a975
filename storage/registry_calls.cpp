// ObjectStore: the registry, small rows of api/'s own.
#include "storage/base/check.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

constexpr std::size_t kNameBytesMax = 256;
constexpr std::uint32_t kRowsPerPageMax = 1000;

bool is_name(const std::string& name) { return !name.empty() && name.size() <= kNameBytesMax; }

Result<RegistryRow> decode_row(const metadata::Entry& entry) {
  auto name = keys::registry_name(entry.key);
  if (!name) return Errc::corrupt_record;
  records::RegistryRow record;
  Result<> parsed = parse(entry.value, record);
  if (!parsed) return parsed.error();
  RegistryRow row;
  row.name = std::move(*name);
  row.value = std::move(*record.mutable_value());
  row.revision = entry.revision;
  return row;
}

void require(metadata::Transaction& transaction, const std::string& key, std::optional<std::uint64_t> revision) {
  if (!revision) return;
  if (*revision == 0) transaction.require_absent(key);
  else transaction.require_revision(key, *revision);
}

}  // namespace

void add_companion_rows(CommitCompanion* companion, const ObjectInfo& version, metadata::Transaction& transaction) {
  if (companion == nullptr) return;
  for (CompanionRow& row : companion->rows(version)) {
    CHECK(is_name(row.table) && is_name(row.name) && row.value.size() <= kRegistryValueBytesMax);
    records::RegistryRow record;
    record.set_value(std::move(row.value));
    transaction.put(keys::registry(row.table, row.name), serialize(record));
  }
}

Task<Result<RegistryRow>> ObjectStore::registry_row(std::string table, std::string name) {
  if (!is_name(table) || !is_name(name)) co_return Errc::invalid_argument;
  const auto entry = co_await state_->metadata.get(keys::registry(table, name));
  if (!entry) co_return entry.error();
  co_return decode_row(*entry);
}

Task<Result<std::uint64_t>> ObjectStore::put_registry_row(std::string table, RegistryRow row,
                                                          std::optional<std::uint64_t> revision) {
  if (!is_name(table) || !is_name(row.name)) co_return Errc::invalid_argument;
  if (row.value.size() > kRegistryValueBytesMax) co_return Errc::too_large;
  const std::string key = keys::registry(table, row.name);
  records::RegistryRow record;
  record.set_value(std::move(row.value));
  metadata::Transaction transaction;
  require(transaction, key, revision);
  transaction.put(key, serialize(record));
  co_return co_await state_->metadata.commit(std::move(transaction));
}

Task<Result<>> ObjectStore::remove_registry_row(std::string table, std::string name,
                                                std::optional<std::uint64_t> revision) {
  if (!is_name(table) || !is_name(name)) co_return Errc::invalid_argument;
  const std::string key = keys::registry(table, name);
  metadata::Transaction transaction;
  require(transaction, key, revision);
  transaction.remove(key);
  const auto committed = co_await state_->metadata.commit(std::move(transaction));
  if (!committed) co_return committed.error();
  co_return success();
}

Task<Result<>> ObjectStore::remove_registry_rows(std::string table, std::vector<std::string> names) {
  if (!is_name(table) || names.empty() || names.size() > kRowsPerPageMax) co_return Errc::invalid_argument;
  metadata::Transaction transaction;
  for (const std::string& name : names) {
    if (!is_name(name)) co_return Errc::invalid_argument;
    transaction.remove(keys::registry(table, name));
  }
  const auto committed = co_await state_->metadata.commit(std::move(transaction));
  if (!committed) co_return committed.error();
  co_return success();
}

Task<Result<std::vector<RegistryRow>>> ObjectStore::registry_rows(std::string table, std::string after,
                                                                  std::uint32_t limit) {
  if (!is_name(table) || limit == 0 || limit > kRowsPerPageMax) co_return Errc::invalid_argument;
  metadata::KeyRange range = metadata::prefix_range(keys::registry_prefix(table));
  // The first key above that row's.
  if (!after.empty()) range.begin = keys::registry(table, after) + '\0';
  const auto page = co_await state_->metadata.scan(range, limit);
  if (!page) co_return page.error();
  std::vector<RegistryRow> rows;
  for (const metadata::Entry& entry : page->entries) {
    auto row = decode_row(entry);
    if (!row) co_return row.error();
    rows.push_back(std::move(*row));
  }
  co_return rows;
}

}  // namespace storage
