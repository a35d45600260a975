#include "storage/multipart_digest.h"

#include <openssl/evp.h>

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
  }
  return 0;
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
      if (full) return Errc::checksum_type_mismatch;
      checksum.value = evp_digest(EVP_sha1(), digests);
      return checksum;
    case ChecksumAlgorithm::sha256:
      if (full) return Errc::checksum_type_mismatch;
      checksum.value = evp_digest(EVP_sha256(), digests);
      return checksum;
  }
  return Errc::checksum_type_mismatch;
}

}  // namespace storage
