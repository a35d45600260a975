// SecretKey: 32 bytes of key material in memory that core dumps leave out and that is wiped when the key goes.
//
// Memory    pages of their own, MADV_DONTDUMP and locked where the system allows it; a slot each, reused.
// Threads   a key is immutable once made; making and dropping keys is safe on any thread.
// Errors    throws std::bad_alloc when no page can be mapped, std::runtime_error when the system has no random bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace api {

class SecretKey {
 public:
  static constexpr std::size_t kBytes = 32;

  static SecretKey random();
  // nullopt unless there are exactly 32 bytes.
  static std::optional<SecretKey> from_bytes(std::string_view bytes);
  static std::optional<SecretKey> from_base64(std::string_view text);

  SecretKey(SecretKey&& other) noexcept;
  SecretKey& operator=(SecretKey&& other) noexcept;
  ~SecretKey();

  std::span<const std::uint8_t, kBytes> bytes() const { return std::span<const std::uint8_t, kBytes>(slot_, kBytes); }
  std::string_view view() const { return {reinterpret_cast<const char*>(slot_), kBytes}; }

 private:
  SecretKey();

  std::uint8_t* slot_;
};

using SecretKeyPtr = std::shared_ptr<const SecretKey>;

}  // namespace api
