// SegmentStore: bytes made durable on k+m drives as erasure-coded stripes, and read back verified.
//
// Durability  append() and append_stream() complete only when all k+m shards of every stripe of the body were
//             written durably (Drive's contract). Nothing names the bytes yet: the caller commits the
//             extents next. A crash in between leaves bytes that no record names.
// Reads       every byte returned was checked against the extent's CRC or its block CRCs in this call
//             (invariant 9). A bad CRC, an error or a missing drive is answered by decoding k other shards,
//             and the damaged shard is queued for repair.
// Threads     any executor; calls resume on the caller's. Lifetime: the store outlives its calls and
//             extents' pins; stop() first, then destroy.
// Errors      Errc::no_space, Errc::read_only (fewer than m+1 domains alive), Errc::overloaded,
//             Errc::corrupt_data (fewer than k good shards), a ByteSource's own error unchanged.
// Format      byte by byte in storage/segment/README.md.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/base/byte_source.h"
#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/result.h"
#include "storage/base/task.h"
#include "storage/io/buffer.h"
#include "storage/segment/drive_set.h"

namespace storage::segment {

using SegmentId = std::uint64_t;               // never reused; 0 is none
using BlobId = std::array<std::uint8_t, 16>;   // random, chosen before a blob's first byte

// Where (part of) a blob's bytes lie. The stripe's address space is shard 0's payload, then shard 1's, ...
// shard k-1's; an extent is a contiguous piece of it.
struct Extent {
  SegmentId segment = 0;
  std::uint32_t stripe_block = 0;   // the stripe's first block in each zone, in blocks of 4096 bytes
  std::uint16_t header_blocks = 0;  // blocks of shard header in front of the payload
  std::uint16_t shard_blocks = 0;   // P / 4096: payload blocks per shard
  std::uint32_t begin = 0;          // first byte, in the stripe's address space
  std::uint32_t length = 0;         // bytes
  std::uint32_t crc = 0;            // CRC-32C of the bytes
  friend bool operator==(const Extent&, const Extent&) = default;
};

// Keeps a segment from being freed while its extents await their commit or are being read. Movable.
class SegmentPin {
 public:
  SegmentPin() = default;
  explicit SegmentPin(std::shared_ptr<void> hold) : hold_(std::move(hold)) {}

 private:
  std::shared_ptr<void> hold_;
};

struct Appended {
  Extent extent;
  SegmentPin pin;  // hold until the commit that names the extent returned
};

// What the shard directory says of a piece. Bucket and key serve disasters only.
struct PieceName {
  BlobId blob{};
  std::string bucket;
  std::string key;
};

// A piece of a blob in a stripe's address space.
struct Piece {
  PieceName name;
  std::uint32_t begin = 0;
  std::uint32_t length = 0;
};

// A stripe as its directory describes it. What it names need not be live: whoever asks looks every piece up.
struct StripeInfo {
  std::uint32_t block = 0;  // the stripe's first block in each zone
  std::uint32_t header_blocks = 0;
  std::uint32_t shard_blocks = 0;
  std::uint64_t sequence = 0;  // in its segment, from 1
  std::vector<Piece> pieces;
  std::uint32_t next_block = 0;  // the first block behind it
};

// Bytes in a pool buffer: buffer.data() + offset, `length` of them.
struct Slice {
  io::Buffer buffer;
  std::size_t offset = 0;
  std::size_t length = 0;
  std::span<const std::byte> bytes() const { return {buffer.data() + offset, length}; }
};

struct SegmentRecord {
  enum class State : std::uint8_t { open = 1, sealed = 2 };
  struct Member {
    std::uint32_t drive;  // member number in the store's table (DriveSet)
    std::uint32_t zone;
    friend bool operator==(const Member&, const Member&) = default;
  };
  SegmentId id = 0;
  std::uint32_t data = 0;    // k
  std::uint32_t parity = 0;  // m
  std::uint64_t epoch = 0;   // the writer's: a segment of another epoch accepts no append
  State state = State::open;
  std::int64_t created_ms = 0;
  std::vector<Member> members;  // k + m, by shard number; this is the truth about where shards lie
  friend bool operator==(const SegmentRecord&, const SegmentRecord&) = default;
};

// Where segment records are kept: the metadata store, seen from here. Each call is durable when it returns.
class SegmentCatalog {
 public:
  virtual ~SegmentCatalog() = default;
  struct Loaded {
    std::vector<SegmentRecord> records;  // ascending by id
    SegmentId highest_id = 0;            // ever used, freed ones included
  };
  virtual Task<Result<Loaded>> load() = 0;
  virtual Task<Result<>> add(SegmentRecord record) = 0;      // also raises highest_id
  // Sealed, or members moved. Errc::conflict, and nothing changes, if the record is not `expected` any more: a seal
  // must not undo a move, nor a move a seal.
  virtual Task<Result<>> replace(SegmentRecord expected, SegmentRecord record) = 0;
  virtual Task<Result<>> remove(std::vector<SegmentId> ids) = 0;
};

inline constexpr unsigned kReservedSegments = 2;  // segments' worth of zones that fresh data may not use

struct SegmentStoreOptions {
  std::uint32_t shard_bytes_max = 1024 * 1024;       // largest P; lowered where zones are small
  std::uint32_t small_body_bytes_max = 1024 * 1024;  // largest append()
  std::uint32_t batches_in_flight_max = 2;           // stripes of append() being written at once
  std::uint32_t queue_bytes_max = 64 * 1024 * 1024;  // bodies waiting in append(); beyond: Errc::overloaded after a wait
  std::uint32_t wait_ms_max = 10'000;                // longest wait for memory or queue room
  std::uint32_t prepared_zones = 2;                  // zones a drive keeps written ahead of need
  std::uint32_t repairs_max = 1024;                  // damaged shards remembered for repair
  // How long a drive may leave an operation unanswered before others do its work: a write of a stripe after the first of
  // its shards was durable, a read of a shard, and either where nobody else can answer.
  std::uint32_t write_limit_ms = 700;
  std::uint32_t read_limit_ms = 150;
  std::uint32_t answer_ms_max = 10'000;
};

// Memory for stripes. Kept apart from each other and from the pool that bodies wait in: a body holds its buffer until its
// stripe is durable, and a stream holds its stripe until its client has sent it; were they one pool, those who wait could
// use up what those who would end their waiting need. Each holds at least three buffers of kMaxBufferBytes.
struct StripePools {
  io::BufferPool& batches;  // group commit, zone headers, repairs, zone preparation
  io::BufferPool& streams;
};

struct MoveRequest;  // segment_upkeep.h
struct ScrubRequest;
struct ScrubStep;

class SegmentStore {
 public:
  // `epoch` is this process's, greater than every earlier one. All references outlive the store.
  SegmentStore(DriveSet& drives, SegmentCatalog& catalog, StripePools pools, Clock& clock,
               MetricsRegistry& metrics, std::uint64_t epoch, SegmentStoreOptions options = {});
  ~SegmentStore();

  // Loads the catalogue, seals what an earlier process left open, computes the free zones. Once, before any
  // other call. Cost: proportional to the number of segments, no drive is read.
  Task<Result<>> recover();

  // Starts background work (zone preparation, repairs) on `executor`; stop() ends and joins it.
  void start(Executor executor);
  Task<> stop();

  // Writes a body of 1..small_body_bytes_max bytes (Errc::too_large above append_bytes_max()); shares its stripe with whatever else waits at that moment
  // (group commit). The caller keeps `bytes` alive until the call returns.
  Task<Result<Appended>> append(PieceName name, std::span<const std::byte> bytes);

  // Writes a body of any length in full stripes while it arrives: `head` (may be empty), then `source` to its
  // end. Memory: two stripes. One extent per stripe, in order; an empty body has none.
  // The caller keeps `head` and `source` alive until the call returns.
  Task<Result<std::vector<Appended>>> append_stream(PieceName name, std::span<const std::byte> head,
                                                    ByteSource& source);

  // Whether memory for a stripe is to be had at this moment: append_stream() would not wait for it. A hint, not a promise.
  bool stream_has_room() const;

  // Reads bytes [begin, begin + length) of an extent into one buffer of `into_pool` (contiguous, verified).
  // length >= 1, at most kMaxBufferBytes - 3 blocks. A whole extent that lies in one shard is one drive read.
  // Large extents are read best in the pieces that piece_bytes() names.
  Task<Result<Slice>> read(Extent extent, std::uint32_t begin, std::uint32_t length, io::BufferPool& into_pool);

  // From byte `begin` of an extent, how many bytes make one efficient read (to the end of the shard).
  std::uint32_t piece_bytes(const Extent& extent, std::uint32_t begin) const;

  // A pin for reading; empty Result (Errc::not_found) when the segment was freed.
  Result<SegmentPin> pin(SegmentId segment);

  // All segments, ascending by id.
  std::vector<SegmentRecord> segments() const;

  // The first stripe that begins at or behind `from_block` of a sealed segment; nullopt when there is none up to the end
  // of its zones. Read a segment with next_stripe(id, 0), then from each stripe's next_block on. A stripe whose write
  // failed may be among them. Errc::not_found (freed), Errc::conflict (open), Errc::io_error where more than m shards
  // could not be read, so that a stripe may be there all the same; Errc::overloaded. Cost: one read of up to 64 KiB; in
  // holes m + 1 reads of half a MiB a time.
  Task<Result<std::optional<StripeInfo>>> next_stripe(SegmentId segment, std::uint32_t from_block);

  // For the collector: writes bodies again, densely and apart from fresh data, also into the zones that are reserved for
  // it. In order, each body's extents: one, or several where today's geometry is narrower than a body. Never waits for
  // space. The caller keeps the bytes alive until the call returns. Errors as of append(), by body.
  struct Survivor {
    PieceName name;
    std::span<const std::byte> bytes;  // at least one
  };
  Task<std::vector<Result<std::vector<Appended>>>> append_survivors(std::vector<Survivor> bodies);

  // No stripe is begun in the segment any more. Errc::not_found.
  Task<Result<>> seal(SegmentId segment);

  // Sealed, and no commit that could name bytes of it is under way: what no record names now, none will ever name.
  bool settled(SegmentId segment) const;

  // Asked, on any thread, whenever an append finds no zone: whether zones may soon come free, so that it is worth waiting
  // (at most wait_ms_max). Must be quick and must not call the store. Empty: no. Returns when the old one is not running.
  void on_space_short(std::function<bool()> reclaimer);

  // Appends that wait for space ask the reclaimer again.
  void space_outlook_changed();

  // For the rebuilder: takes one shard of a sealed segment to a fresh zone of another member, which holds none of it. The
  // bytes are durable there before the record names them; reads go on meanwhile. Errc::conflict: somebody was faster, or a
  // write of the segment is unfinished (try again later); Errc::no_space or Errc::drive_lost of the new member;
  // Errc::corrupt_data: a referenced stripe has too few good shards now, and nothing was changed. (segment_upkeep.h)
  Task<Result<>> move_shard(MoveRequest request);
  // For the scrubber: one piece of a sealed segment, whose shards are verified and repaired in place. Errc::not_found
  // (freed), Errc::conflict (open, or a write is unfinished).
  Task<Result<ScrubStep>> scrub(ScrubRequest request);

  // For the collector: removes sealed segments that no record refers to any more; their zones are free when this
  // returns. Errc::conflict, and nothing is removed, if one is open, unknown or pinned.
  Task<Result<>> free_segments(std::vector<SegmentId> ids);

  // The largest body that append() takes now: small_body_bytes_max, less where zones are tiny or drives are lost.
  std::uint32_t append_bytes_max() const;

  static constexpr unsigned kSegmentsLeftMax = 64;  // usage() counts no further
  struct Usage {
    std::uint64_t zones_total = 0;  // over all live drives
    std::uint64_t zones_free = 0;
    std::uint64_t zone_bytes = 0;
    std::uint64_t segments = 0;
    unsigned segments_left = 0;       // that zones are there for in today's geometry, the reserve included
    std::uint64_t queue_bytes = 0;    // bodies waiting in append()
    std::uint64_t repairs_queued = 0;
  };
  Usage usage() const;
  // Zones of one member that nobody holds; all of them when nothing lies there and nobody reads or writes there any more.
  std::uint32_t zones_free(std::uint32_t member) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace storage::segment
