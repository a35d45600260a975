// Tar archives: POSIX ustar, with a pax header where a name or a size does not fit. Lengths are known before the first byte.
//
// Format   mode 0644, uid, gid and mtime 0, no user or group names: the same member always has the same bytes. A name of up to 100
//          bytes stands in the ustar header as it is, bytes and all; a longer one in a pax record "path". A size of 8 GiB or more
//          stands in a pax record "size". An archive ends with two blocks of zeros.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace storage::dataset {

inline constexpr std::uint64_t kTarBlockBytes = 512;
inline constexpr std::uint64_t kTarEndBytes = 2 * kTarBlockBytes;

// How long the headers of a member are.
std::uint64_t tar_header_bytes(std::uint64_t name_bytes, std::uint64_t size);
// What a member takes in all: headers, content, zeros up to a whole block.
std::uint64_t tar_member_bytes(std::uint64_t name_bytes, std::uint64_t size);
// Exactly tar_header_bytes(name.size(), size) bytes.
std::string tar_header(std::string_view name, std::uint64_t size);
// Zeros behind a content of that size.
constexpr std::uint64_t tar_padding_bytes(std::uint64_t size) { return (kTarBlockBytes - size % kTarBlockBytes) % kTarBlockBytes; }

}  // namespace storage::dataset
