// Encodings of the wire: hex, base64, percent, UTF-8. Pure; decoders are strict and refuse what they do not
// know.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace api {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

void append_hex(std::string& out, std::span<const std::uint8_t> bytes);  // lower case
std::string to_hex(std::string_view bytes);
// Pairs of hex digits of either case; nullopt for anything else.
std::optional<std::string> from_hex(std::string_view text);
// -1 when `c` is no hex digit.
int hex_digit(char c);

std::string to_base64(std::string_view bytes);
// Padded standard alphabet, no white space, no stray bits.
std::optional<std::string> from_base64(std::string_view text);
// URL-safe alphabet without padding, for tokens.
std::string to_base64url(std::string_view bytes);
std::optional<std::string> from_base64url(std::string_view text);

enum class Plus { literal, space };
// Decodes %XX once; `plus` says what a raw '+' means. nullopt for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, Plus plus);

enum class Slash { keep, encode };
// Encodes all but A-Z a-z 0-9 - . _ ~ (and '/' when kept), upper-case hex.
void append_percent_encoded(std::string& out, std::string_view text, Slash slash);
std::string percent_encode(std::string_view text, Slash slash);

// Well-formed UTF-8: no overlong forms, surrogates or values above U+10FFFF.
bool is_utf8(std::string_view text);
// Code points of well-formed UTF-8.
std::size_t count_code_points(std::string_view text);
// Reads each byte as one Latin-1 character.
std::string latin1_to_utf8(std::string_view text);

}  // namespace api
