#include "storage/metadata/mirror_writer.h"

namespace storage::metadata {

MirrorWriter::MirrorWriter(std::shared_ptr<Engine> engine) : state_(std::make_shared<State>()) {
  state_->engine = std::move(engine);
  thread_ = std::thread(&MirrorWriter::run, state_);
}

MirrorWriter::~MirrorWriter() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->ready.notify_one();
  if (thread_.joinable()) thread_.join();
}

void MirrorWriter::abandon() {
  if (thread_.joinable()) thread_.detach();  // the thread owns its State; it ends when its write does
}

void MirrorWriter::write(std::shared_ptr<const Batch> batch, std::shared_ptr<BatchProgress> progress,
                         std::size_t index) {
  {
    std::lock_guard lock(state_->mutex);
    state_->batch = std::move(batch);
    state_->progress = std::move(progress);
    state_->index = index;
  }
  state_->ready.notify_one();
}

void MirrorWriter::run(std::shared_ptr<State> state) {
  while (true) {
    std::shared_ptr<const Batch> batch;
    std::shared_ptr<BatchProgress> progress;
    std::size_t index = 0;
    {
      std::unique_lock lock(state->mutex);
      state->ready.wait(lock, [&] { return state->stopping || state->batch != nullptr; });
      if (state->batch == nullptr) return;
      batch = std::move(state->batch);
      progress = std::move(state->progress);
      index = state->index;
    }
    Result<> result = state->engine->write(*batch);
    std::lock_guard lock(progress->mutex);
    progress->results[index] = result;
    progress->changed.notify_one();
  }
}

}  // namespace storage::metadata
