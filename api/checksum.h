// Checksums as S3 names them: algorithm names, header names, lengths, and one that runs over bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/digest.h"
#include "storage/object_store.h"

struct XXH64_state_s;
struct XXH3_state_s;

namespace api {

using storage::Checksum;
using storage::ChecksumAlgorithm;
using storage::ChecksumType;

inline constexpr std::string_view kChecksumHeaderPrefix = "x-amz-checksum-";

// "CRC32", "CRC64NVME", ...; empty for none.
std::string_view checksum_name(ChecksumAlgorithm algorithm);
// "x-amz-checksum-crc32", ...
std::string_view checksum_header(ChecksumAlgorithm algorithm);
// "ChecksumCRC32", ...
std::string_view checksum_element(ChecksumAlgorithm algorithm);
std::string_view checksum_type_name(ChecksumType type);
std::size_t checksum_bytes(ChecksumAlgorithm algorithm);

// By name ("crc32" in any case), by header and by XML element; nullopt when the server does not know it.
std::optional<ChecksumAlgorithm> checksum_by_name(std::string_view name);
std::optional<ChecksumAlgorithm> checksum_by_header(std::string_view header);
std::optional<ChecksumAlgorithm> checksum_by_element(std::string_view element);
std::optional<ChecksumType> checksum_type_by_name(std::string_view name);

// All names, for error sentences.
inline constexpr std::string_view kChecksumNames =
    "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128]";

// Whether a multipart upload can have this pair: CRC64NVME is FULL_OBJECT only, CRC32 and CRC32C both, what is no CRC
// COMPOSITE only, since digests of pieces cannot be joined.
bool checksum_pair_exists(ChecksumAlgorithm algorithm, ChecksumType type);
// What an upload gets that names the algorithm alone.
ChecksumType default_checksum_type(ChecksumAlgorithm algorithm);

// The value as it is sent: base64, for a composite with "-N" behind it.
std::string checksum_text(const Checksum& checksum, std::size_t parts_count);

class ChecksumHasher {
 public:
  explicit ChecksumHasher(ChecksumAlgorithm algorithm);
  ~ChecksumHasher();

  ChecksumAlgorithm algorithm() const { return algorithm_; }
  void update(std::span<const std::byte> bytes);
  std::string finish();  // raw big-endian bytes; empty for none

 private:
  struct FreeState {
    void operator()(XXH64_state_s* state) const;
    void operator()(XXH3_state_s* state) const;
  };

  ChecksumAlgorithm algorithm_;
  std::uint64_t crc_ = 0;
  std::optional<Digest> digest_;
  std::unique_ptr<XXH64_state_s, FreeState> xxh64_;
  std::unique_ptr<XXH3_state_s, FreeState> xxh3_;
};

}  // namespace api
