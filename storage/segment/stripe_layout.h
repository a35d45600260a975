// StripeLayout: where the bodies of one stripe lie in its address space, and how large its shards are.
//
// A body that lies in one shard is read with one drive read, so the layout puts as many as possible into one
// each: P grows by up to a tenth over the least possible if then all fit, bodies packed largest first.
// Otherwise bodies are laid end to end in their order, and one that would straddle a border moves behind it
// as long as the free bytes last. A pure function.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "erasure/codec.h"

namespace storage::segment {

struct StripeLayout {
  std::uint32_t shard_blocks = 0;     // P in blocks
  std::vector<std::uint32_t> begins;  // of each body, in the order given
  std::size_t whole = 0;              // bodies that lie in one shard
};

// `sizes`: 1 byte or more each, together at most data * blocks_max blocks (CHECKed).
StripeLayout lay_out(unsigned data, std::uint32_t blocks_max, std::span<const std::uint32_t> sizes);

}  // namespace storage::segment
