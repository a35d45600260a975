#include "storage/segment/stripe_layout.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "storage/base/check.h"
#include "storage/io/buffer.h"

namespace storage::segment {
namespace {

constexpr std::uint32_t kCandidatesMax = 8;  // values of P that are tried

// Every body in one shard, largest first into the first shard with room; empty if that does not work out.
std::optional<StripeLayout> pack_whole(unsigned data, std::uint32_t blocks,
                                       std::span<const std::uint32_t> sizes,
                                       std::span<const std::size_t> by_size) {
  const std::uint32_t shard_bytes = blocks * static_cast<std::uint32_t>(io::kBlockBytes);
  std::vector<std::uint32_t> used(data, 0);
  StripeLayout layout;
  layout.shard_blocks = blocks;
  layout.begins.resize(sizes.size());
  for (const std::size_t body : by_size) {
    const auto room = std::find_if(used.begin(), used.end(),
                                   [&](std::uint32_t bytes) { return sizes[body] <= shard_bytes - bytes; });
    if (room == used.end()) return std::nullopt;
    const auto shard = static_cast<std::uint32_t>(room - used.begin());
    layout.begins[body] = shard * shard_bytes + *room;
    *room += sizes[body];
  }
  layout.whole = sizes.size();
  return layout;
}

// End to end in the given order; skips to the next shard's start while the free bytes last.
StripeLayout pack_in_order(unsigned data, std::uint32_t blocks, std::span<const std::uint32_t> sizes,
                           std::uint64_t total) {
  const std::uint64_t shard_bytes = std::uint64_t{blocks} * io::kBlockBytes;
  StripeLayout layout;
  layout.shard_blocks = blocks;
  std::uint64_t free = data * shard_bytes - total;
  std::uint64_t position = 0;
  for (const std::uint32_t size : sizes) {
    const std::uint64_t left = shard_bytes - position % shard_bytes;
    if (size > left && size <= shard_bytes && left <= free) {
      free -= left;
      position += left;
    }
    layout.begins.push_back(static_cast<std::uint32_t>(position));
    if (position / shard_bytes == (position + size - 1) / shard_bytes) ++layout.whole;
    position += size;
  }
  CHECK(position <= data * shard_bytes);
  return layout;
}

}  // namespace

StripeLayout lay_out(unsigned data, std::uint32_t blocks_max, std::span<const std::uint32_t> sizes) {
  const std::uint64_t total = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
  CHECK(total >= 1);
  const std::uint64_t least64 = (total + data * io::kBlockBytes - 1) / (data * io::kBlockBytes);
  CHECK(least64 <= blocks_max);
  const auto least = static_cast<std::uint32_t>(least64);
  const std::uint32_t most = std::min(blocks_max, least + (least + 9) / 10);
  const std::uint32_t step = std::max<std::uint32_t>(1, (most - least + kCandidatesMax - 1) / kCandidatesMax);

  std::vector<std::size_t> by_size(sizes.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::sort(by_size.begin(), by_size.end(),
            [&](std::size_t a, std::size_t b) { return sizes[a] != sizes[b] ? sizes[a] > sizes[b] : a < b; });
  StripeLayout best;
  for (std::uint32_t blocks = least; blocks <= most; blocks += step) {
    if (auto layout = pack_whole(data, blocks, sizes, by_size)) return std::move(*layout);
    StripeLayout in_order = pack_in_order(data, blocks, sizes, total);
    if (best.begins.empty() || in_order.whole > best.whole) best = std::move(in_order);
  }
  return best;
}

}  // namespace storage::segment
