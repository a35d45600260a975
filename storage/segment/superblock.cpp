#include "storage/segment/superblock.h"

#include <algorithm>

#include "storage/base/check.h"
#include "storage/segment/geometry.h"

namespace storage::segment {
namespace {

bool plausible(const Superblock& block) {
  if (block.members.empty() || block.members.size() > kMembersMax) return false;
  if (block.number >= block.members.size() || block.members[block.number].uuid != block.drive) return false;
  if (block.parity > erasure::kParityShardsMax) return false;
  if (!valid_zone_bytes(block.zone_bytes) || block.zones == 0) return false;
  if (block.zones > usable_zones(block.capacity_bytes, block.zone_bytes)) return false;
  if (block.mirrors.members.size() > block.members.size()) return false;
  return std::all_of(block.mirrors.members.begin(), block.mirrors.members.end(),
                     [&](std::uint32_t member) { return member < block.members.size(); });
}

}  // namespace

std::string uuid_text(const Uuid& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : uuid) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::vector<std::byte> encode_superblock(const Superblock& superblock) {
  CHECK(plausible(superblock));
  std::size_t length = kSuperblockFixedBytes + 4 * superblock.mirrors.members.size();
  for (const auto& member : superblock.members) {
    length += kMemberFixedBytes + std::min(member.path.size(), kPathHintBytesMax);
  }
  CHECK(length <= kSuperblockBytesMax);
  std::vector<std::byte> image((length + io::kBlockBytes - 1) / io::kBlockBytes * io::kBlockBytes);
  ByteWriter out = begin_envelope(image, kSuperblockMagic, static_cast<std::uint32_t>(length));
  out.bytes(superblock.store);
  out.bytes(superblock.drive);
  out.u64(superblock.generation);
  out.u64(superblock.zone_bytes);
  out.u64(superblock.capacity_bytes);
  out.u64(superblock.mirrors.epoch);
  out.u32(superblock.number);
  out.u16(static_cast<std::uint16_t>(superblock.members.size()));
  out.u16(static_cast<std::uint16_t>(superblock.mirrors.members.size()));
  out.u32(superblock.zones);
  out.u8(superblock.parity);
  out.u8(static_cast<std::uint8_t>(superblock.state));
  out.u16(0);
  CHECK(out.position() == kSuperblockFixedBytes);
  for (const std::uint32_t member : superblock.mirrors.members) out.u32(member);
  for (const auto& member : superblock.members) {
    const std::string_view path = std::string_view(member.path).substr(0, kPathHintBytesMax);
    out.bytes(member.uuid);
    out.u64(member.capacity_bytes);
    out.u8(static_cast<std::uint8_t>(member.state));
    out.u8(0);
    out.u16(static_cast<std::uint16_t>(path.size()));
    out.text(path);
  }
  CHECK(out.position() == length);
  end_envelope(image, static_cast<std::uint32_t>(length));
  return image;
}

Result<Superblock> decode_superblock(std::span<const std::byte> from) {
  Result<ByteReader> opened = open_envelope(from, kSuperblockMagic);
  if (!opened) return opened.error();
  ByteReader& in = *opened;
  Superblock block;
  in.bytes(block.store);
  in.bytes(block.drive);
  block.generation = in.u64();
  block.zone_bytes = in.u64();
  block.capacity_bytes = in.u64();
  block.mirrors.epoch = in.u64();
  block.number = in.u32();
  const std::uint16_t member_count = in.u16();
  const std::uint16_t mirror_count = in.u16();
  block.zones = in.u32();
  block.parity = in.u8();
  const std::uint8_t state = in.u8();
  in.u16();
  if (!in.ok() || member_count > kMembersMax || mirror_count > kMembersMax) return Errc::corrupt_data;
  if (state != 1 && state != 2) return Errc::corrupt_data;
  block.state = static_cast<Superblock::State>(state);
  block.mirrors.members.resize(mirror_count);
  for (std::uint32_t& member : block.mirrors.members) member = in.u32();
  block.members.resize(member_count);
  for (Superblock::Member& member : block.members) {
    in.bytes(member.uuid);
    member.capacity_bytes = in.u64();
    const std::uint8_t member_state = in.u8();
    in.u8();
    const std::uint16_t path_bytes = in.u16();
    if (!in.ok() || member_state < 1 || member_state > 3 || path_bytes > kPathHintBytesMax)
      return Errc::corrupt_data;
    member.state = static_cast<Superblock::Member::State>(member_state);
    member.path = in.text(path_bytes);
  }
  if (!in.ok() || in.remaining() != 0 || !plausible(block)) return Errc::corrupt_data;
  return block;
}

}  // namespace storage::segment
