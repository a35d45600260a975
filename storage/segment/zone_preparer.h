// ZonePreparer: writes free zones once before they are needed, since making first writes durable costs 2-4
// times as much where the file system has yet to allocate.
//
// Zones are written with zeros, ascending, in 1 MiB pieces, until prepared_zones free ones of each drive are
// ready. A zone being prepared is taken from the allocator meanwhile: an allocated zone is never touched.
// Threads   run() is one task; cancelling it ends it after the piece at hand.
#pragma once

#include <cstdint>
#include <memory>

#include "storage/segment/store_context.h"

namespace storage::segment {

class ZonePreparer {
 public:
  explicit ZonePreparer(StoreContext& context) : context_(context) {}

  Task<> run();

 private:
  Task<bool> prepare_one(std::uint32_t member);
  struct Work;
  Task<Result<>> write_zeros(std::shared_ptr<Work> work);

  StoreContext& context_;
};

}  // namespace storage::segment
