// ByteWriter and ByteReader: little-endian fields of on-disk structures, one after the other.
//
// Writer  writing past the end of its memory is the caller's bug (CHECK): it sized the structure first.
// Reader  for hostile bytes: reading past the end yields zeros and makes ok() false for good, so that a
// decoder
//         may read a run of fields and ask once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "storage/base/check.h"

namespace storage::segment {

class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::byte> into) : into_(into) {}

  void u8(std::uint8_t value) { integer(value, 1); }
  void u16(std::uint16_t value) { integer(value, 2); }
  void u32(std::uint32_t value) { integer(value, 4); }
  void u64(std::uint64_t value) { integer(value, 8); }

  void bytes(const void* from, std::size_t size) {
    CHECK(size <= into_.size() - position_);
    if (size > 0) std::memcpy(into_.data() + position_, from, size);
    position_ += size;
  }
  void bytes(std::span<const std::uint8_t> from) { bytes(from.data(), from.size()); }
  void text(std::string_view from) { bytes(from.data(), from.size()); }

  std::size_t position() const { return position_; }

 private:
  void integer(std::uint64_t value, std::size_t size) {
    CHECK(size <= into_.size() - position_);
    for (std::size_t i = 0; i < size; ++i) into_[position_ + i] = static_cast<std::byte>(value >> (8 * i));
    position_ += size;
  }

  std::span<std::byte> into_;
  std::size_t position_ = 0;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> from) : from_(from) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }

  void bytes(std::span<std::uint8_t> into) {
    if (!has(into.size())) return;
    std::memcpy(into.data(), from_.data() + position_, into.size());
    position_ += into.size();
  }
  std::string text(std::size_t size) {
    if (!has(size)) return {};
    std::string value(reinterpret_cast<const char*>(from_.data() + position_), size);
    position_ += size;
    return value;
  }

  bool ok() const { return ok_; }
  std::size_t remaining() const { return from_.size() - position_; }

 private:
  bool has(std::size_t size) {
    if (size > remaining()) ok_ = false;
    return ok_;
  }
  std::uint64_t integer(std::size_t size) {
    if (!has(size)) return 0;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value |= static_cast<std::uint64_t>(std::to_integer<std::uint8_t>(from_[position_ + i])) << (8 * i);
    }
    position_ += size;
    return value;
  }

  std::span<const std::byte> from_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace storage::segment
