// OpenVersion: a version's bytes, held for as long as it is open.
#pragma once

#include <memory>
#include <optional>

#include "storage/body_plan.h"
#include "storage/object_store_state.h"

namespace storage {

class OpenVersion final : public OpenObject {
 public:
  // `parts`: those of a multipart version whose row is not its key's any more; else they are looked up.
  OpenVersion(ObjectStore::State& state, keys::BucketId bucket, HeadRecordPtr record,
              std::optional<records::Parts> parts = std::nullopt)
      : state_(state), bucket_(bucket), record_(std::move(record)), info_(record_->info), parts_(std::move(parts)) {}

  // Errc::not_found: the version is not what the record says any more.
  Task<Result<>> load();

  const ObjectInfoPtr& info() const override { return info_; }
  std::unique_ptr<ObjectReader> read(std::uint64_t offset, std::uint64_t length) override;

  const HeadRecord& record() const { return *record_; }
  const std::optional<records::Parts>& parts() const { return parts_; }

 private:
  BodyPlan plan(std::uint64_t offset, std::uint64_t length) const;
  Task<Result<>> hold_chunks();

  ObjectStore::State& state_;
  keys::BucketId bucket_;
  HeadRecordPtr record_;
  ObjectInfoPtr info_;
  std::optional<records::Parts> parts_;
  segment::SegmentPin pin_;
  std::shared_ptr<const HeldChunks> held_;
};

}  // namespace storage
