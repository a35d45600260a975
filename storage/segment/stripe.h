// Stripe: the memory of one stripe while it is built and written: k+m shards, each header and payload in one
// piece, so that one write takes each to its drive.
//
// Order     fill the address space (put, zero, or payload() directly), then encode(), then stamp() with the
// place
//           where it will lie; stamp() again if that place failed and another is tried.
// Memory    one pool buffer of (k+m) * (header + P) bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "erasure/codec.h"
#include "storage/io/buffer.h"
#include "storage/segment/format.h"
#include "storage/segment/segment_table.h"

namespace storage::segment {

struct StripeShape {
  erasure::Scheme scheme;
  std::uint32_t header_blocks = 0;
  std::uint32_t shard_blocks = 0;

  unsigned width() const { return scheme.data + scheme.parity; }
  std::uint32_t blocks() const { return header_blocks + shard_blocks; }
  std::size_t payload_bytes() const { return std::size_t{shard_blocks} * io::kBlockBytes; }  // P
  std::size_t space_bytes() const { return scheme.data * payload_bytes(); }
  std::size_t memory_bytes() const { return std::size_t{width()} * blocks() * io::kBlockBytes; }
};

// The codec of a scheme, made at its first use and kept.
const erasure::Codec& codec_for(erasure::Scheme scheme);

// CRC-32C of each block of `payload`.
std::vector<std::uint32_t> block_crcs_of(std::span<const std::byte> payload);

class Stripe {
 public:
  Stripe() = default;
  // `memory` has at least shape.memory_bytes().
  Stripe(io::Buffer memory, StripeShape shape);

  explicit operator bool() const { return memory_ != nullptr; }
  const StripeShape& shape() const { return shape_; }
  // For an operation that may end after the stripe is gone.
  std::shared_ptr<const io::Buffer> memory() const { return memory_; }
  // Whether such an operation is unfinished: the memory must not be changed.
  bool lent() const { return memory_.use_count() > 1; }

  std::span<std::byte> shard(unsigned index) const;    // header and payload
  std::span<std::byte> payload(unsigned index) const;  // P bytes

  // Copies `bytes` to `begin` of the address space; returns their CRC-32C.
  std::uint32_t put(std::uint32_t begin, std::span<const std::byte> bytes);
  void zero(std::uint32_t begin, std::uint32_t end);
  // CRC-32C of a range of the address space.
  std::uint32_t crc(std::uint32_t begin, std::uint32_t length) const;
  // Calls `visit` for the contiguous pieces of a range of the address space, in order.
  template <class Visitor>
  void for_range(std::uint32_t begin, std::uint32_t length, Visitor visit) const;

  // Keeps the first `used` bytes of the address space and makes P as small as they allow.
  void shrink_to(std::uint32_t used);

  // Computes parity and all CRCs. The address space is filled.
  void encode();
  // Writes the headers for this place.
  void stamp(const Segment& segment, Segment::Place place, const std::vector<Piece>& pieces);

 private:
  std::shared_ptr<io::Buffer> memory_;
  StripeShape shape_;
  std::vector<std::uint32_t> payload_crcs_;
  std::vector<std::vector<std::uint32_t>> block_crcs_;  // by shard
};

template <class Visitor>
void Stripe::for_range(std::uint32_t begin, std::uint32_t length, Visitor visit) const {
  const auto payload_size = static_cast<std::uint32_t>(shape_.payload_bytes());
  while (length > 0) {
    const std::uint32_t within = begin % payload_size;
    const std::uint32_t part = length < payload_size - within ? length : payload_size - within;
    visit(payload(begin / payload_size).subspan(within, part));
    begin += part;
    length -= part;
  }
}

}  // namespace storage::segment
