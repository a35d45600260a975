// Superblock: who a drive is and to which store it belongs. Two copies on each drive, at kSuperblockOffsets;
// the sound one with the greater generation is the truth. Byte by byte: README.md.
//
// Update    copy A durably, then copy B: at every moment one of them is sound.
// Errors    as in format.h.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "storage/segment/drive_set.h"
#include "storage/segment/format.h"

namespace storage::segment {

inline constexpr std::uint64_t kReservedBytes = 1024 * 1024;  // before zone 0
inline constexpr std::array<std::uint64_t, 2> kSuperblockOffsets = {0, 512 * 1024};
inline constexpr std::size_t kSuperblockBytesMax = 128 * 1024;
inline constexpr std::size_t kSuperblockFixedBytes = 104;
inline constexpr std::size_t kMemberFixedBytes = 28;
inline constexpr std::uint64_t kScratchOffset = kReservedBytes - 4096;  // a block that probes may write
inline constexpr unsigned kMembersMax = 255;
inline constexpr std::size_t kPathHintBytesMax = 255;  // longer paths are cut: a hint for messages only

static_assert(kSuperblockFixedBytes + kMembersMax * (4 + kMemberFixedBytes + kPathHintBytesMax) <=
              kSuperblockBytesMax);

struct Superblock {
  enum class State : std::uint8_t {
    forming =
        1,  // the store's first start has not finished: no byte of data exists, formatting may start over
    active = 2,
  };
  struct Member {
    // A retiring member gets no new zones; what lies on it is being moved away.
    enum class State : std::uint8_t { active = 1, retired = 2, retiring = 3 };
    Uuid uuid{};
    std::uint64_t capacity_bytes = 0;
    State state = State::active;
    std::string path;  // as last known
  };

  Uuid store{};
  Uuid drive{};
  std::uint64_t generation = 0;
  std::uint64_t zone_bytes = 0;
  std::uint64_t capacity_bytes = 0;
  std::uint32_t number = 0;  // of this drive in `members`
  std::uint32_t zones = 0;   // usable on this drive
  std::uint8_t parity = 0;   // m
  State state = State::forming;
  MirrorSet mirrors;
  std::vector<Member> members;  // by number
};

// The encoded superblock, padded with zeros to whole blocks.
std::vector<std::byte> encode_superblock(const Superblock& superblock);
Result<Superblock> decode_superblock(std::span<const std::byte> from);

// 32 hex digits.
std::string uuid_text(const Uuid& uuid);

}  // namespace storage::segment
