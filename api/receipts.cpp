#include "api/receipts.h"

#include <utility>

#include "storage/base/log.h"

namespace api {

void Receipts::add(Receipt receipt) {
  const std::lock_guard lock(mutex_);
  // A range read comes in pieces of one tar: they are one receipt.
  if (!waiting_.empty() && waiting_.back().same_read(receipt)) return;
  if (waiting_.size() < kReceiptsWaitingMax) {
    waiting_.push_back(std::move(receipt));
    return;
  }
  if (!std::exchange(dropping_, true)) storage::log_warn("receipts_dropped", {{"waiting", waiting_.size()}});
}

storage::Task<> Receipts::flush() {
  std::vector<Receipt> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(waiting_);
    dropping_ = false;
  }
  if (taken.empty()) co_return;
  const auto written = co_await store_.add_receipts(std::move(taken));
  if (!written) storage::log_warn("receipts_lost", {{"error", written.error().message()}});
}

}  // namespace api
