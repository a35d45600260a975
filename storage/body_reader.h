// BodyReader: the verified bytes of a version's body, piece by piece, no faster than its client takes them.
//
// Memory    small bodies come from the memory cache or from the request pool, whole. All else comes from the reader pool (which may be the same):
//           pieces of 1 MiB with some read ahead for a client that keeps up; smaller ones, one at a time, for a client
//           that does not, or while the pool is used by many. So slow clients hold little, and none of it is what
//           uploads and small reads need.
// Threads   one task. Lifetime: the store's state outlives it; reads under way may outlive the reader itself
//           (State::readers).
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>

#include "storage/body_plan.h"
#include "storage/object_store.h"
#include "storage/object_store_state.h"

namespace storage {

class BodyReader final : public ObjectReader {
 public:
  BodyReader(ObjectStore::State& state, BodyPlan plan);
  ~BodyReader() override;

  Task<Result<Chunk>> next() override;

 private:
  struct PendingRead;
  Task<Result<Chunk>> take_next();
  std::optional<Chunk> cached(const BodyPlan::Piece& piece);
  Task<Result<Chunk>> read_whole(BodyPlan::Piece piece);
  Task<Result<>> read_ahead();
  static Task<> run(ObjectStore::State& state, BodyPlan::Piece piece, std::shared_ptr<PendingRead> pending);
  static Task<> wait_for(PendingRead& pending);
  bool generous() const;
  std::uint32_t piece_bytes_max() const;
  void judge_client();

  ObjectStore::State& state_;
  BodyPlan plan_;
  std::deque<std::shared_ptr<PendingRead>> pending_;
  bool fast_ = false;             // the client has shown that it keeps up
  std::size_t handed_bytes_ = 0;  // since judged_at_
  std::chrono::steady_clock::time_point judged_at_;
};

}  // namespace storage
