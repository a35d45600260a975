#include "storage/body_intake.h"

#include <algorithm>
#include <cstring>

namespace storage {
namespace {

constexpr std::size_t kGrowth = 4;
// A sender is judged by this much waiting at a time.
constexpr std::chrono::seconds kWindow{2};

}  // namespace

Task<Result<std::size_t>> BodyIntake::read_body(std::span<std::byte> into) {
  const auto began = std::chrono::steady_clock::now();
  Result<std::size_t> count = co_await body_.read(into);
  waited_ += std::chrono::steady_clock::now() - began;
  if (count) {
    counted_bytes_ += *count;
    ended_ = *count == 0;
  }
  co_return count;
}

bool BodyIntake::fast() const {
  const auto waited_us = std::chrono::duration_cast<std::chrono::microseconds>(waited_).count();
  return static_cast<std::uint64_t>(waited_us) * kFastBytesPerSecond <= counted_bytes_ * 1'000'000;
}

Task<Result<>> BodyIntake::receive(std::size_t bytes_min, std::size_t bytes_max) {
  waited_ = {};
  counted_bytes_ = 0;
  while (!ended_ && filled_ < bytes_max) {
    if (filled_ == buffer_.size()) {
      const bool enough = filled_ >= bytes_min;
      Result<> grown = co_await grow(bytes_max, enough ? std::min(kGrowWaitMs, wait_ms_max_) : wait_ms_max_);
      if (!grown && grown.error() == Errc::overloaded && enough) break;
      if (!grown) co_return grown.error();
    }
    const std::size_t room = std::min(buffer_.size(), bytes_max) - filled_;
    Result<std::size_t> count = co_await read_body(buffer_.span().subspan(filled_, room));
    if (!count) co_return count.error();
    filled_ += *count;
  }
  co_return success();
}

Task<Result<>> BodyIntake::grow(std::size_t bytes_max, std::uint32_t wait_ms) {
  std::size_t wanted = buffer_ ? buffer_.size() * kGrowth : kFirstBytes;
  // The last step may be a little larger, so that nobody copies a whole body for the sake of its last bytes.
  if (bytes_max <= wanted + wanted / kGrowth) wanted = bytes_max;
  Result<io::Buffer> larger = co_await pool_.take(wanted, wait_ms);
  if (!larger) co_return larger.error();
  if (filled_ > 0) std::memcpy(larger->data(), buffer_.data(), filled_);
  buffer_ = std::move(*larger);
  co_return success();
}

void BodyIntake::clear() {
  buffer_.reset();
  filled_ = 0;
  taken_ = 0;
}

bool BodyIntake::fell_behind() {
  if (waited_ < kWindow) return false;
  const bool behind = !fast();
  waited_ = {};
  counted_bytes_ = 0;
  return behind;
}

Task<Result<std::size_t>> BodyIntake::read(std::span<std::byte> into) {
  if (taken_ < filled_) {
    const std::size_t count = std::min(into.size(), filled_ - taken_);
    std::memcpy(into.data(), buffer_.data() + taken_, count);
    taken_ += count;
    if (taken_ == filled_) clear();
    co_return count;
  }
  if (ended_ || fell_behind()) co_return std::size_t{0};
  co_return co_await read_body(into);
}

}  // namespace storage
