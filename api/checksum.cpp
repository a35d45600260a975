#include "api/checksum.h"

#include <xxhash.h>

#include <array>

#include "api/ascii.h"
#include "api/encoding.h"
#include "erasure/codec.h"
#include "storage/base/check.h"

namespace api {
namespace {

struct Row {
  ChecksumAlgorithm algorithm;
  std::string_view name;
  std::string_view header;
  std::string_view element;
  std::size_t bytes;
};

constexpr std::array<Row, 10> kRows = {{
    {ChecksumAlgorithm::crc32, "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4},
    {ChecksumAlgorithm::crc32c, "CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4},
    {ChecksumAlgorithm::crc64nvme, "CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8},
    {ChecksumAlgorithm::sha1, "SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20},
    {ChecksumAlgorithm::sha256, "SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32},
    {ChecksumAlgorithm::sha512, "SHA512", "x-amz-checksum-sha512", "ChecksumSHA512", 64},
    {ChecksumAlgorithm::md5, "MD5", "x-amz-checksum-md5", "ChecksumMD5", 16},
    {ChecksumAlgorithm::xxhash64, "XXHASH64", "x-amz-checksum-xxhash64", "ChecksumXXHASH64", 8},
    {ChecksumAlgorithm::xxhash3, "XXHASH3", "x-amz-checksum-xxhash3", "ChecksumXXHASH3", 8},
    {ChecksumAlgorithm::xxhash128, "XXHASH128", "x-amz-checksum-xxhash128", "ChecksumXXHASH128", 16},
}};

constexpr Row kNone = {ChecksumAlgorithm::none, "", "", "", 0};

const Row& row(ChecksumAlgorithm algorithm) {
  for (const Row& candidate : kRows) {
    if (candidate.algorithm == algorithm) return candidate;
  }
  return kNone;
}

std::optional<ChecksumAlgorithm> find(std::string_view Row::* field, std::string_view text) {
  for (const Row& candidate : kRows) {
    if (equals_caseless(candidate.*field, text)) return candidate.algorithm;
  }
  return std::nullopt;
}

std::string big_endian(std::uint64_t value, std::size_t bytes) {
  std::string raw(bytes, '\0');
  for (std::size_t i = bytes; i-- > 0; value >>= 8) raw[i] = static_cast<char>(value & 0xff);
  return raw;
}

}  // namespace

std::string_view checksum_name(ChecksumAlgorithm algorithm) { return row(algorithm).name; }
std::string_view checksum_header(ChecksumAlgorithm algorithm) { return row(algorithm).header; }
std::string_view checksum_element(ChecksumAlgorithm algorithm) { return row(algorithm).element; }
std::size_t checksum_bytes(ChecksumAlgorithm algorithm) { return row(algorithm).bytes; }

std::string_view checksum_type_name(ChecksumType type) {
  return type == ChecksumType::full_object ? "FULL_OBJECT" : "COMPOSITE";
}

std::optional<ChecksumAlgorithm> checksum_by_name(std::string_view name) { return find(&Row::name, name); }
std::optional<ChecksumAlgorithm> checksum_by_header(std::string_view header) {
  return find(&Row::header, header);
}
std::optional<ChecksumAlgorithm> checksum_by_element(std::string_view element) {
  return find(&Row::element, element);
}

std::optional<ChecksumType> checksum_type_by_name(std::string_view name) {
  if (equals_caseless(name, "FULL_OBJECT")) return ChecksumType::full_object;
  if (equals_caseless(name, "COMPOSITE")) return ChecksumType::composite;
  return std::nullopt;
}

bool checksum_pair_exists(ChecksumAlgorithm algorithm, ChecksumType type) {
  switch (algorithm) {
    case ChecksumAlgorithm::none:
      return false;
    case ChecksumAlgorithm::crc32:
    case ChecksumAlgorithm::crc32c:
      return true;
    case ChecksumAlgorithm::crc64nvme:
      return type == ChecksumType::full_object;
    case ChecksumAlgorithm::sha1:
    case ChecksumAlgorithm::sha256:
    case ChecksumAlgorithm::sha512:
    case ChecksumAlgorithm::md5:
    case ChecksumAlgorithm::xxhash64:
    case ChecksumAlgorithm::xxhash3:
    case ChecksumAlgorithm::xxhash128:
      return type == ChecksumType::composite;
  }
  return false;
}

ChecksumType default_checksum_type(ChecksumAlgorithm algorithm) {
  return algorithm == ChecksumAlgorithm::crc64nvme ? ChecksumType::full_object : ChecksumType::composite;
}

std::string checksum_text(const Checksum& checksum, std::size_t parts_count) {
  std::string text = to_base64(checksum.value);
  if (checksum.type == ChecksumType::composite) {
    text += '-';
    append_decimal(text, parts_count);
  }
  return text;
}

ChecksumHasher::ChecksumHasher(ChecksumAlgorithm algorithm) : algorithm_(algorithm) {
  if (algorithm == ChecksumAlgorithm::sha1) digest_.emplace(Digest::Kind::sha1);
  if (algorithm == ChecksumAlgorithm::sha256) digest_.emplace(Digest::Kind::sha256);
  if (algorithm == ChecksumAlgorithm::sha512) digest_.emplace(Digest::Kind::sha512);
  if (algorithm == ChecksumAlgorithm::md5) digest_.emplace(Digest::Kind::md5);
  if (algorithm == ChecksumAlgorithm::xxhash64) {
    xxh64_.reset(XXH64_createState());
    CHECK(xxh64_ != nullptr && XXH64_reset(xxh64_.get(), 0) == XXH_OK);
  }
  if (algorithm == ChecksumAlgorithm::xxhash3 || algorithm == ChecksumAlgorithm::xxhash128) {
    xxh3_.reset(XXH3_createState());
    CHECK(xxh3_ != nullptr);
    const bool wide = algorithm == ChecksumAlgorithm::xxhash128;
    CHECK((wide ? XXH3_128bits_reset(xxh3_.get()) : XXH3_64bits_reset(xxh3_.get())) == XXH_OK);
  }
}

ChecksumHasher::~ChecksumHasher() = default;

void ChecksumHasher::FreeState::operator()(XXH64_state_s* state) const { XXH64_freeState(state); }
void ChecksumHasher::FreeState::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

void ChecksumHasher::update(std::span<const std::byte> bytes) {
  switch (algorithm_) {
    case ChecksumAlgorithm::none:
      return;
    case ChecksumAlgorithm::crc32:
      crc_ = erasure::crc32(bytes, static_cast<std::uint32_t>(crc_));
      return;
    case ChecksumAlgorithm::crc32c:
      crc_ = erasure::crc32c(bytes, static_cast<std::uint32_t>(crc_));
      return;
    case ChecksumAlgorithm::crc64nvme:
      crc_ = erasure::crc64nvme(bytes, crc_);
      return;
    case ChecksumAlgorithm::sha1:
    case ChecksumAlgorithm::sha256:
    case ChecksumAlgorithm::sha512:
    case ChecksumAlgorithm::md5:
      digest_->update(bytes);
      return;
    case ChecksumAlgorithm::xxhash64:
      CHECK(XXH64_update(xxh64_.get(), bytes.data(), bytes.size()) == XXH_OK);
      return;
    case ChecksumAlgorithm::xxhash3:
      CHECK(XXH3_64bits_update(xxh3_.get(), bytes.data(), bytes.size()) == XXH_OK);
      return;
    case ChecksumAlgorithm::xxhash128:
      CHECK(XXH3_128bits_update(xxh3_.get(), bytes.data(), bytes.size()) == XXH_OK);
      return;
  }
}

std::string ChecksumHasher::finish() {
  if (digest_) return digest_->finish();
  if (xxh64_) return big_endian(XXH64_digest(xxh64_.get()), 8);
  if (algorithm_ == ChecksumAlgorithm::xxhash3) return big_endian(XXH3_64bits_digest(xxh3_.get()), 8);
  if (algorithm_ == ChecksumAlgorithm::xxhash128) {
    const XXH128_hash_t hash = XXH3_128bits_digest(xxh3_.get());
    return big_endian(hash.high64, 8) + big_endian(hash.low64, 8);
  }
  return big_endian(crc_, checksum_bytes(algorithm_));
}

}  // namespace api
