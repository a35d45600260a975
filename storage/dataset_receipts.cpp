// ObjectStore: receipts of those who read datasets. One row for a dataset, day, user and order, of merged intervals.
#include <algorithm>
#include <map>
#include <set>

#include "storage/dataset_rows.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;
constexpr std::size_t kUserBytesMax = 256;
// Longer orders (they may hold a query) are cut: the row's key has a bound.
constexpr std::size_t kOrderBytesMax = 4096;
// Beyond this many intervals of a row the gaps between the nearest are closed.
constexpr std::size_t kIntervalsMax = 4096;

using Interval = std::pair<std::uint64_t, std::uint64_t>;

std::vector<Interval> merged(std::vector<Interval> intervals) {
  std::sort(intervals.begin(), intervals.end());
  std::vector<Interval> result;
  for (const Interval& each : intervals) {
    if (!result.empty() && each.first <= result.back().second) {
      result.back().second = std::max(result.back().second, each.second);
    } else {
      result.push_back(each);
    }
  }
  while (result.size() > kIntervalsMax) {
    auto nearest = result.begin();
    for (auto it = result.begin(); it + 1 != result.end(); ++it) {
      if ((it + 1)->first - it->second < (nearest + 1)->first - nearest->second) nearest = it;
    }
    nearest->second = (nearest + 1)->second;
    result.erase(nearest + 1);
  }
  return result;
}

struct Addition {
  std::vector<Interval> intervals;
  std::int64_t last_ms = 0;
};

Task<Result<>> add_to_row(ObjectStore::State& state, std::string row_key, Addition addition) {
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    metadata::Transaction transaction;
    records::Receipt row;
    std::vector<Interval> intervals = addition.intervals;
    auto entry = co_await state.metadata.get(row_key);
    if (entry) {
      Result<> parsed = parse(entry->value, row);
      if (!parsed) co_return parsed;
      for (int i = 0; i + 1 < row.bounds_size(); i += 2) intervals.emplace_back(row.bounds(i), row.bounds(i + 1));
      transaction.require_revision(row_key, entry->revision);
    } else if (entry.error() == Errc::not_found) {
      transaction.require_absent(row_key);
    } else {
      co_return entry.error();
    }
    row.clear_bounds();
    for (const auto& [from, to] : merged(std::move(intervals))) {
      row.add_bounds(from);
      row.add_bounds(to);
    }
    row.set_last_ms(std::max(row.last_ms(), addition.last_ms));
    transaction.put(row_key, serialize(row));
    auto revision = co_await state.metadata.commit(std::move(transaction));
    if (revision) co_return success();
    if (revision.error() != Errc::conflict) co_return revision.error();
  }
  co_return Errc::conditional_conflict;
}

}  // namespace

Task<Result<>> ObjectStore::add_receipts(std::vector<Receipt> receipts) {
  std::map<std::string, Addition> rows;
  for (const Receipt& receipt : receipts) {
    const auto day = static_cast<std::uint64_t>(std::max<std::int64_t>(receipt.time_ms, 0) / kDayMs);
    const std::string row_key =
        dataset_rows::receipt(receipt.dataset_id, day, receipt.user.substr(0, kUserBytesMax), receipt.order.substr(0, kOrderBytesMax));
    Addition& addition = rows[row_key];
    addition.intervals.emplace_back(receipt.from, receipt.to);
    addition.last_ms = std::max(addition.last_ms, receipt.time_ms);
  }
  Result<> result = success();
  for (auto& [row_key, addition] : rows) {
    Result<> added = co_await add_to_row(*state_, row_key, std::move(addition));
    if (!added) result = added;
  }
  co_return result;
}

Task<Result<std::vector<Receipt>>> ObjectStore::receipts(std::string dataset_id, std::uint32_t limit) {
  std::vector<Receipt> receipts;
  auto rows = co_await state_->metadata.scan(metadata::prefix_range(dataset_rows::receipts_prefix(dataset_id)), limit);
  if (!rows) co_return rows.error();
  for (const metadata::Entry& entry : rows->entries) {
    auto key = dataset_rows::receipt_of(entry.key);
    records::Receipt row;
    if (!key) co_return Errc::corrupt_record;
    Result<> parsed = parse(entry.value, row);
    if (!parsed) co_return parsed.error();
    for (int i = 0; i + 1 < row.bounds_size(); i += 2) {
      Receipt receipt;
      receipt.dataset_id = dataset_id;
      receipt.order = key->order;
      receipt.user = key->user;
      receipt.from = row.bounds(i);
      receipt.to = row.bounds(i + 1);
      receipt.time_ms = row.last_ms();
      receipts.push_back(std::move(receipt));
    }
  }
  co_return receipts;
}

}  // namespace storage
