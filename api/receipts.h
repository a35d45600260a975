// Receipts: who read which positions of a dataset, gathered in memory and written into the metadata store each second. What a
// crash may lose is the last second; a receipt never fails a read.
//
// Bound    kReceiptsWaitingMax that wait; what comes beyond that while the store takes none is dropped and said once in the log.
// Threads  any. Lifetime: the store outlives it.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "storage/sealed_dataset.h"

namespace api {

using storage::Receipt;

class Receipts {
 public:
  static constexpr std::size_t kReceiptsWaitingMax = 65'536;

  explicit Receipts(storage::ObjectStore& store) : store_(store) {}

  void add(Receipt receipt);
  // Writes what waits. Any number of tasks may ask.
  storage::Task<> flush();

 private:
  storage::ObjectStore& store_;
  std::mutex mutex_;
  std::vector<Receipt> waiting_;
  bool dropping_ = false;
};

}  // namespace api
