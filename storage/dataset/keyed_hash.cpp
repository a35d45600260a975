#include "storage/dataset/keyed_hash.h"

#include <openssl/evp.h>

#include "storage/base/check.h"

namespace storage::dataset {
namespace {

void append_u64(std::string& to, std::uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) to += static_cast<char>(number >> shift);
}

}  // namespace

std::string sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  unsigned length = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &length, EVP_sha256(),
                   nullptr) == 1);
  return digest;
}

std::array<std::uint64_t, 8> derive_key(std::string_view purpose, const OrderKey& key) {
  std::string text(purpose);
  text += '\0';
  text += key.digest;
  append_u64(text, key.seed);
  append_u64(text, key.epoch);
  std::string bytes;
  for (const char counter : {'\0', '\1'}) bytes += sha256(text + counter);
  std::array<std::uint64_t, 8> words{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    words[i / 8] |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (i % 8 * 8);
  }
  return words;
}

double split_point(std::uint64_t split_seed, std::string_view group) {
  std::string text("granary-split-1");
  text += '\0';
  append_u64(text, split_seed);
  text += group;
  const std::string digest = sha256(text);
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < 8; ++i) word = word << 8 | static_cast<unsigned char>(digest[i]);
  return unit_interval(word);
}

}  // namespace storage::dataset
