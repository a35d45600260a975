#include "api/checksum.h"

#include <array>

#include "api/ascii.h"
#include "api/encoding.h"
#include "erasure/codec.h"

namespace api {
namespace {

struct Row {
  ChecksumAlgorithm algorithm;
  std::string_view name;
  std::string_view header;
  std::string_view element;
  std::size_t bytes;
};

constexpr std::array<Row, 5> kRows = {{
    {ChecksumAlgorithm::crc32, "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4},
    {ChecksumAlgorithm::crc32c, "CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4},
    {ChecksumAlgorithm::crc64nvme, "CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8},
    {ChecksumAlgorithm::sha1, "SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20},
    {ChecksumAlgorithm::sha256, "SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32},
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
}

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
      digest_->update(bytes);
      return;
  }
}

std::string ChecksumHasher::finish() {
  if (digest_) return digest_->finish();
  return big_endian(crc_, checksum_bytes(algorithm_));
}

}  // namespace api
