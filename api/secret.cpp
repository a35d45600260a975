#include "api/secret.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "storage/base/check.h"

namespace api {
namespace {

// Pages of slots, never given back: keys come and go, and few at a time are alive.
class SecretPages {
 public:
  char* take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) grow();
    char* slot = free_.back();
    free_.pop_back();
    return slot;
  }

  void give(char* slot) {
    OPENSSL_cleanse(slot, kSecretBytesMax);
    const std::lock_guard lock(mutex_);
    free_.push_back(slot);
  }

 private:
  static constexpr std::size_t kBlockBytes = 64 * 1024;

  void grow() {
    void* block = ::mmap(nullptr, kBlockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) throw std::bad_alloc();
    // Not every kernel has it; the keys then are where all other memory is.
    [[maybe_unused]] const int advised = ::madvise(block, kBlockBytes, MADV_DONTDUMP);
    free_.reserve(free_.size() + kBlockBytes / kSecretBytesMax);
    for (std::size_t at = 0; at < kBlockBytes; at += kSecretBytesMax) free_.push_back(static_cast<char*>(block) + at);
  }

  std::mutex mutex_;
  std::vector<char*> free_;
};

SecretPages& pages() {
  // Never destroyed: keys may outlive every other static.
  static SecretPages* const all = new SecretPages;
  return *all;
}

}  // namespace

Secret::Secret(std::string_view text) : size_(std::min(text.size(), kSecretBytesMax)) {
  bytes_ = pages().take();
  std::memcpy(bytes_, text.data(), size_);
}

Secret::~Secret() {
  if (bytes_ != nullptr) pages().give(bytes_);
}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::exchange(other.bytes_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(size_, other.size_);
  return *this;
}

void wipe(void* bytes, std::size_t size) { OPENSSL_cleanse(bytes, size); }

}  // namespace api
