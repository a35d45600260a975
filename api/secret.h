// Secret: a key in memory that core dumps leave out and that is wiped when it goes.
//
// Threads  immutable once made.
#pragma once

#include <cstddef>
#include <string_view>

namespace api {

class Secret {
 public:
  Secret() = default;
  // At most kSecretBytesMax; what is longer is cut, so check first.
  explicit Secret(std::string_view text);
  ~Secret();
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string_view view() const { return {bytes_, size_}; }
  bool empty() const { return size_ == 0; }

 private:
  char* bytes_ = nullptr;
  std::size_t size_ = 0;
};

inline constexpr std::size_t kSecretBytesMax = 256;

// Leaves the pages of this memory out of core dumps and wipes it. For keys that others own.
void wipe(void* bytes, std::size_t size);

}  // namespace api
