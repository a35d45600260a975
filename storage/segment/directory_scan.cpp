#include "storage/segment/directory_scan.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "storage/segment/format.h"

namespace storage::segment {
namespace {

constexpr std::uint32_t kWindowBlocks = 256;  // read at once; a header lies wholly in one

struct ScannedZone {
  std::uint32_t member = 0;
  std::uint32_t zone = 0;
  ZoneHeader header;
};

// One segment id may have been used by one writer only; the epoch tells a stranger's zone.
using SegmentKey = std::pair<SegmentId, std::uint64_t>;

class DirectoryScan {
 public:
  DirectoryScan(const DriveSet& drives, io::Buffer memory, std::function<void(const ScannedPiece&)> found)
      : drives_(drives), memory_(std::move(memory)), found_(std::move(found)) {}

  Task<ScanTotals> run() {
    std::map<SegmentKey, std::vector<ScannedZone>> segments;
    for (const MemberInfo& member : drives_.members()) {
      if (drives_.drive(member.number) == nullptr) continue;
      for (std::uint32_t zone = 0; zone < member.zones; ++zone) {
        std::optional<ZoneHeader> header = co_await zone_header(member.number, zone);
        if (!header) continue;
        ++totals_.zones;
        const SegmentKey key{header->segment, header->epoch};
        segments[key].push_back({member.number, zone, std::move(*header)});
      }
    }
    totals_.segments = segments.size();
    for (const auto& [key, zones] : segments) {
      std::set<std::uint32_t> listed;  // stripes, by their blocks
      for (const ScannedZone& zone : zones) co_await list_zone(zone, listed);
    }
    co_return totals_;
  }

 private:
  std::uint32_t zone_blocks() const { return static_cast<std::uint32_t>(drives_.zone_bytes() / io::kBlockBytes); }

  // Reads blocks of a zone; how many there are, which is fewer behind the written part of a file.
  Task<std::uint32_t> read(std::uint32_t member, std::uint32_t zone, std::uint32_t block, std::uint32_t blocks) {
    io::Drive* drive = drives_.drive(member);
    if (drive == nullptr) co_return 0;
    const std::uint64_t offset = drives_.zone_offset(zone) + std::uint64_t{block} * io::kBlockBytes;
    const std::uint64_t exists = drive->prepared_bytes();
    if (offset >= exists) co_return 0;
    const auto there = static_cast<std::uint32_t>(std::min<std::uint64_t>(blocks, (exists - offset) / io::kBlockBytes));
    if (there == 0) co_return 0;
    Result<> done = co_await io::read(*drive, offset, memory_.span().first(there * io::kBlockBytes));
    if (done) co_return there;
    ++totals_.unreadable;
    co_return 0;
  }

  Task<std::optional<ZoneHeader>> zone_header(std::uint32_t member, std::uint32_t zone) {
    const std::uint32_t there = co_await read(member, zone, 0, 1);
    if (there == 0) co_return std::nullopt;
    Result<ZoneHeader> header = decode_zone_header(memory_.span().first(io::kBlockBytes));
    const bool ours = header && header->store == drives_.store_id() && header->drive == drives_.member_id(member) &&
                      header->zone == zone;
    if (!ours) co_return std::nullopt;
    co_return std::move(*header);
  }

  // From each stripe to the next; where there is none, block by block.
  Task<> list_zone(const ScannedZone& zone, std::set<std::uint32_t>& listed) {
    std::uint32_t block = 1;
    std::uint32_t window = 0;  // first block in memory
    std::uint32_t there = 0;
    while (block < zone_blocks()) {
      const std::uint32_t wanted = std::min(kHeaderBlocksMax, zone_blocks() - block);
      if (block < window || block + wanted > window + there) {
        window = block;
        const std::uint32_t blocks = std::min(kWindowBlocks, zone_blocks() - block);
        there = co_await read(zone.member, zone.zone, block, blocks);
        if (there == 0) co_return;
      }
      const std::span<const std::byte> rest =
          memory_.span().subspan(std::size_t{block - window} * io::kBlockBytes, std::size_t{window + there - block} * io::kBlockBytes);
      const std::uint32_t next = list_stripe(zone, block, rest, listed);
      if (next == 0 && there < wanted) co_return;
      block = next == 0 ? block + 1 : next;
    }
  }

  // The block behind the stripe at `block`; 0 if there is none.
  std::uint32_t list_stripe(const ScannedZone& zone, std::uint32_t block, std::span<const std::byte> bytes,
                            std::set<std::uint32_t>& listed) {
    ByteReader magic(bytes);
    if (magic.u64() != kShardHeaderMagic) return 0;
    Result<ShardHeader> header = decode_shard_header(bytes);
    if (!header || header->segment != zone.header.segment || header->epoch != zone.header.epoch ||
        header->stripe_block != block || header->shard_index != zone.header.shard_index) {
      return 0;
    }
    if (listed.insert(block).second) {
      ++totals_.stripes;
      for (Piece& piece : header->pieces) {
        ++totals_.pieces;
        found_({header->segment, zone.header.created_ms, block, header->sequence, std::move(piece)});
      }
    }
    return block + header->header_blocks + header->shard_blocks;
  }

  const DriveSet& drives_;
  io::Buffer memory_;
  std::function<void(const ScannedPiece&)> found_;
  ScanTotals totals_;
};

}  // namespace

Task<Result<ScanTotals>> scan_directories(const DriveSet& drives, io::BufferPool& pool,
                                          std::function<void(const ScannedPiece&)> found) {
  Result<io::Buffer> memory = co_await pool.take(std::size_t{kWindowBlocks} * io::kBlockBytes, 1'000);
  if (!memory) co_return memory.error();
  DirectoryScan scan(drives, std::move(*memory), std::move(found));
  co_return co_await scan.run();
}

}  // namespace storage::segment
