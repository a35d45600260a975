#include "api/secret_key.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/mman.h>

#include <cstring>
#include <mutex>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "api/encoding.h"
#include "storage/base/check.h"

namespace api {
namespace {

// Hands out slots of 32 bytes. Regions are never unmapped: there are as many as the most keys ever in use at once need,
// and requests in flight are bounded.
class Slots {
 public:
  std::uint8_t* take() {
    const std::scoped_lock lock(mutex_);
    if (free_.empty()) map_region();
    std::uint8_t* const slot = free_.back();
    free_.pop_back();
    return slot;
  }

  void give_back(std::uint8_t* slot) noexcept {
    OPENSSL_cleanse(slot, SecretKey::kBytes);
    const std::scoped_lock lock(mutex_);
    free_.push_back(slot);  // within the capacity that map_region() reserved
  }

 private:
  static constexpr std::size_t kRegionBytes = 64 * 1024;

  void map_region() {
    constexpr std::size_t kSlots = kRegionBytes / SecretKey::kBytes;
    free_.reserve((regions_ + 1) * kSlots);
    void* const memory =
        mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    CHECK(madvise(memory, kRegionBytes, MADV_DONTDUMP) == 0);
    // Keeps keys out of swap where the limit on locked memory allows it; without it they are no less usable.
    [[maybe_unused]] const int locked = mlock(memory, kRegionBytes);
    ++regions_;
    for (std::size_t i = 0; i < kSlots; ++i) {
      free_.push_back(static_cast<std::uint8_t*>(memory) + i * SecretKey::kBytes);
    }
  }

  std::mutex mutex_;
  std::vector<std::uint8_t*> free_;
  std::size_t regions_ = 0;
};

// Never destroyed: keys of static objects may outlive any order of destruction.
Slots& slots() {
  static Slots* const all = new Slots;
  return *all;
}

}  // namespace

SecretKey::SecretKey() : slot_(slots().take()) {}

SecretKey::SecretKey(SecretKey&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
  std::swap(slot_, other.slot_);
  return *this;
}

SecretKey::~SecretKey() {
  if (slot_ != nullptr) slots().give_back(slot_);
}

SecretKey SecretKey::random() {
  SecretKey key;
  if (RAND_priv_bytes(key.slot_, kBytes) != 1) throw std::runtime_error("no random bytes for a key");
  return key;
}

std::optional<SecretKey> SecretKey::from_bytes(std::string_view bytes) {
  if (bytes.size() != kBytes) return std::nullopt;
  SecretKey key;
  std::memcpy(key.slot_, bytes.data(), kBytes);
  return key;
}

std::optional<SecretKey> SecretKey::from_base64(std::string_view text) {
  auto raw = api::from_base64(text);
  if (!raw) return std::nullopt;
  auto key = from_bytes(*raw);
  OPENSSL_cleanse(raw->data(), raw->size());
  return key;
}

}  // namespace api
