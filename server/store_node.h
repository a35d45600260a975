// StoreNode: the storage layer of one process, wired: drives, metadata mirror, segments, object store.
//
// Threads   has a control thread of its own with an io_context, for start, stop and writing superblocks.
// Lifetime  start(), then attach() once the cores run, then stop() while they still run, then destroy.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/config.h"
#include "server/core.h"
#include "server/store_upkeep.h"
#include "storage/base/metrics.h"
#include "storage/object_store.h"
#include "storage/segment/directory_scan.h"
#include "storage/segment/drive_set.h"
#include "storage/segment/segment_store.h"

namespace server {

class StoreNode {
 public:
  enum class BlankDrives { format, refuse };

  // Opens everything and recovers. Null and a sentence in `why` on failure. Blocks.
  // `client_calls` counts what clients have asked for so far: upkeep gives way to them.
  static std::unique_ptr<StoreNode> start(const Config& config, BlankDrives blank, storage::MetricsRegistry& metrics,
                                          std::function<std::uint64_t()> client_calls, std::string& why);
  ~StoreNode();

  // Lists what the drives' stripes name, without the metadata store. Blocks. False and a sentence in `why` on failure.
  static bool scan_drives(const Config& config, std::function<void(const storage::segment::ScannedPiece&)> found,
                          storage::segment::ScanTotals& totals, std::string& why);

  storage::ObjectStore& objects();
  storage::segment::DriveSet& drives();
  storage::segment::SegmentStore& segments();
  StoreUpkeep& upkeep();
  // Members that hold a current mirror of the metadata store.
  std::vector<std::uint32_t> mirrors() const;

  // Which memory is all but used up, or waited for. Any thread.
  MemoryShort memory_short() const;

  // Starts background work on a core.
  void attach(storage::Executor executor);

  // Ends background work and closes the store. Blocks; no call and no reader may be left.
  void stop();

 private:
  StoreNode();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace server
