#include "storage/multipart_digest.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <memory>

#include "erasure/codec.h"
#include "storage/base/check.h"

namespace storage {
namespace {

std::string evp_digest(const EVP_MD* algorithm, const std::string& bytes) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned length = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &length, algorithm,
                   nullptr) == 1);
  digest.resize(length);
  return digest;
}

template <class Crc>
std::string big_endian(Crc crc) {
  std::string bytes(sizeof(Crc), '\0');
  for (std::size_t i = bytes.size(); i-- > 0; crc = static_cast<Crc>(crc >> 8)) bytes[i] = static_cast<char>(crc & 0xff);
  return bytes;
}

template <class Crc>
Crc from_big_endian(const std::string& bytes) {
  Crc crc = 0;
  for (const char c : bytes) crc = static_cast<Crc>((crc << 8) | static_cast<unsigned char>(c));
  return crc;
}

template <class Crc>
std::string combine(const std::vector<const records::Part*>& parts, Crc (*join)(Crc, Crc, std::uint64_t)) {
  Crc crc = 0;
  for (const records::Part* part : parts) {
    crc = join(crc, from_big_endian<Crc>(part->checksum().value()), part->size());
  }
  return big_endian(crc);
}

std::size_t digest_bytes(ChecksumAlgorithm algorithm) {
  switch (algorithm) {
    case ChecksumAlgorithm::none: return 0;
    case ChecksumAlgorithm::crc32:
    case ChecksumAlgorithm::crc32c: return 4;
    case ChecksumAlgorithm::crc64nvme: return 8;
    case ChecksumAlgorithm::sha1: return 20;
    case ChecksumAlgorithm::sha256: return 32;
    case ChecksumAlgorithm::sha512: return 64;
    case ChecksumAlgorithm::md5: return 16;
    case ChecksumAlgorithm::xxhash64:
    case ChecksumAlgorithm::xxhash3: return 8;
    case ChecksumAlgorithm::xxhash128: return 16;
  }
  return 0;
}

// Of the algorithms whose multipart checksums are composite only.
std::string digest_of(ChecksumAlgorithm algorithm, const std::string& bytes) {
  switch (algorithm) {
    case ChecksumAlgorithm::sha1: return evp_digest(EVP_sha1(), bytes);
    case ChecksumAlgorithm::sha256: return evp_digest(EVP_sha256(), bytes);
    case ChecksumAlgorithm::sha512: return evp_digest(EVP_sha512(), bytes);
    case ChecksumAlgorithm::md5: return evp_digest(EVP_md5(), bytes);
    case ChecksumAlgorithm::xxhash64: return big_endian<std::uint64_t>(XXH64(bytes.data(), bytes.size(), 0));
    case ChecksumAlgorithm::xxhash3: return big_endian<std::uint64_t>(XXH3_64bits(bytes.data(), bytes.size()));
    case ChecksumAlgorithm::xxhash128: {
      const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
      return big_endian<std::uint64_t>(hash.high64) + big_endian<std::uint64_t>(hash.low64);
    }
    case ChecksumAlgorithm::none:
    case ChecksumAlgorithm::crc32:
    case ChecksumAlgorithm::crc32c:
    case ChecksumAlgorithm::crc64nvme: break;
  }
  CHECK(false);
  return {};
}

}  // namespace

std::string multipart_md5(const std::vector<const records::Part*>& parts) {
  std::string digests;
  digests.reserve(parts.size() * 16);
  for (const records::Part* part : parts) digests += part->md5();
  return evp_digest(EVP_md5(), digests);
}

Result<Checksum> multipart_checksum(const std::vector<const records::Part*>& parts, ChecksumAlgorithm algorithm,
                                    ChecksumType type) {
  Checksum checksum;
  checksum.algorithm = algorithm;
  checksum.type = type;
  std::string digests;
  for (const records::Part* part : parts) {
    if (part->checksum().algorithm() != static_cast<std::uint32_t>(algorithm)) return Errc::checksum_type_mismatch;
    if (part->checksum().value().size() != digest_bytes(algorithm)) return Errc::corrupt_record;
    digests += part->checksum().value();
  }
  const auto bytes = std::as_bytes(std::span(digests));
  const bool full = type == ChecksumType::full_object;
  switch (algorithm) {
    case ChecksumAlgorithm::none: return Errc::checksum_type_mismatch;
    case ChecksumAlgorithm::crc32:
      checksum.value = full ? combine(parts, erasure::crc32_combine) : big_endian(erasure::crc32(bytes));
      return checksum;
    case ChecksumAlgorithm::crc32c:
      checksum.value = full ? combine(parts, erasure::crc32c_combine) : big_endian(erasure::crc32c(bytes));
      return checksum;
    case ChecksumAlgorithm::crc64nvme:
      if (!full) return Errc::checksum_type_mismatch;
      checksum.value = combine(parts, erasure::crc64nvme_combine);
      return checksum;
    case ChecksumAlgorithm::sha1:
    case ChecksumAlgorithm::sha256:
    case ChecksumAlgorithm::sha512:
    case ChecksumAlgorithm::md5:
    case ChecksumAlgorithm::xxhash64:
    case ChecksumAlgorithm::xxhash3:
    case ChecksumAlgorithm::xxhash128:
      // No way leads from the digests of two pieces to that of both together.
      if (full) return Errc::checksum_type_mismatch;
      checksum.value = digest_of(algorithm, digests);
      return checksum;
  }
  return Errc::checksum_type_mismatch;
}

}  // namespace storage
