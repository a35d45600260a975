// MirrorWriter: the thread that writes one mirror's batches, so that a silent drive holds up nobody but itself.
//
// Lifetime  a writer that is abandoned while its engine hangs keeps engine and batch alive until the call returns.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "storage/metadata/engine.h"

namespace storage::metadata {

// Where the writers of one batch report.
struct BatchProgress {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::optional<Result<>>> results;  // one a mirror; empty while it is still writing
};

class MirrorWriter {
 public:
  explicit MirrorWriter(std::shared_ptr<Engine> engine);
  // Waits for the thread, unless it was abandoned.
  ~MirrorWriter();

  // Starts to write `batch`; the result goes to progress->results[index]. One at a time.
  void write(std::shared_ptr<const Batch> batch, std::shared_ptr<BatchProgress> progress, std::size_t index);

  // Gives up waiting for a write that may never return.
  void abandon();

 private:
  struct State {
    std::shared_ptr<Engine> engine;
    std::mutex mutex;
    std::condition_variable ready;
    std::shared_ptr<const Batch> batch;
    std::shared_ptr<BatchProgress> progress;
    std::size_t index = 0;
    bool stopping = false;
  };
  static void run(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace storage::metadata
