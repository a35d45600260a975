#include "storage/version_id.h"

#include <array>
#include <cstring>

#include "storage/object_store_state.h"

namespace storage {
namespace {

// No '-': an id that begins with it looks like an option to command lines.
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
static_assert(kAlphabet.size() == 64);

constexpr std::size_t kRandomBytes = 16;
constexpr std::size_t kIdBytes = kRandomBytes + sizeof(std::uint64_t);
static_assert(kIdBytes * 8 == kVersionIdCharacters * 6);

std::uint64_t load_u64(const unsigned char* bytes) {
  std::uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = (number << 8) | bytes[i];
  return number;
}

std::uint64_t mask_of(const unsigned char* random) {
  const std::uint64_t second = load_u64(random + 8);
  return load_u64(random) ^ ((second << 23) | (second >> 41));
}

}  // namespace

std::string new_version_id(std::uint64_t number) {
  std::array<unsigned char, kIdBytes> bytes{};
  const segment::BlobId random = random_blob_id();
  static_assert(sizeof(random) == kRandomBytes);
  std::memcpy(bytes.data(), random.data(), kRandomBytes);
  const std::uint64_t masked = number ^ mask_of(bytes.data());
  for (std::size_t i = 0; i < 8; ++i) bytes[kRandomBytes + i] = static_cast<unsigned char>(masked >> (56 - 8 * i));
  std::string id;
  id.reserve(kVersionIdCharacters);
  for (std::size_t i = 0; i < kIdBytes; i += 3) {
    const std::uint32_t three = (std::uint32_t{bytes[i]} << 16) | (std::uint32_t{bytes[i + 1]} << 8) | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) id += kAlphabet[(three >> shift) & 63];
  }
  return id;
}

std::optional<std::uint64_t> version_number(std::string_view version_id) {
  if (version_id.size() != kVersionIdCharacters) return std::nullopt;
  std::array<unsigned char, kIdBytes> bytes{};
  for (std::size_t i = 0; i < kVersionIdCharacters; i += 4) {
    std::uint32_t three = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const std::size_t digit = kAlphabet.find(version_id[i + j]);
      if (digit == std::string_view::npos) return std::nullopt;
      three = (three << 6) | static_cast<std::uint32_t>(digit);
    }
    for (std::size_t j = 0; j < 3; ++j) bytes[i / 4 * 3 + j] = static_cast<unsigned char>(three >> (16 - 8 * j));
  }
  return load_u64(bytes.data() + kRandomBytes) ^ mask_of(bytes.data());
}

}  // namespace storage
