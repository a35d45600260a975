#include "storage/dataset/tar_format.h"

#include <cstring>

#include "storage/base/check.h"

namespace storage::dataset {
namespace {

constexpr std::uint64_t kNameBytesMax = 100;
constexpr std::uint64_t kSizeMax = (std::uint64_t{1} << 33) - 1;  // eleven octal digits

std::size_t digits(std::uint64_t number) {
  std::size_t count = 1;
  for (; number >= 10; number /= 10) ++count;
  return count;
}

// A pax record is "LENGTH NAME=VALUE\n", and LENGTH counts itself.
std::uint64_t pax_record_bytes(std::uint64_t name_bytes, std::uint64_t value_bytes) {
  const std::uint64_t rest = 1 + name_bytes + 1 + value_bytes + 1;
  std::uint64_t length = rest + digits(rest);
  while (rest + digits(length) != length) length = rest + digits(length);
  return length;
}

void append_pax_record(std::string& to, std::string_view name, std::string_view value) {
  to += std::to_string(pax_record_bytes(name.size(), value.size()));
  to += ' ';
  to.append(name).append("=").append(value).append("\n");
}

std::uint64_t pax_bytes(std::uint64_t name_bytes, std::uint64_t size) {
  std::uint64_t bytes = 0;
  if (name_bytes > kNameBytesMax) bytes += pax_record_bytes(4, name_bytes);
  if (size > kSizeMax) bytes += pax_record_bytes(4, digits(size));
  return bytes;
}

void put_octal(std::string& block, std::size_t at, std::size_t width, std::uint64_t number) {
  for (std::size_t i = width; i-- > 0; number /= 8) block[at + i] = static_cast<char>('0' + number % 8);
}

// One ustar header block. What does not fit of the name is cut: a pax header says it whole.
std::string ustar_block(std::string_view name, std::uint64_t size, char type) {
  std::string block(kTarBlockBytes, '\0');
  std::memcpy(block.data(), name.data(), std::min<std::size_t>(name.size(), kNameBytesMax));
  put_octal(block, 100, 7, 0644);
  put_octal(block, 108, 7, 0);
  put_octal(block, 116, 7, 0);
  put_octal(block, 124, 11, size > kSizeMax ? 0 : size);
  put_octal(block, 136, 11, 0);
  std::memset(block.data() + 148, ' ', 8);
  block[156] = type;
  std::memcpy(block.data() + 257, "ustar\0" "00", 8);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put_octal(block, 148, 6, sum);
  block[154] = '\0';
  return block;
}

}  // namespace

std::uint64_t tar_header_bytes(std::uint64_t name_bytes, std::uint64_t size) {
  const std::uint64_t pax = pax_bytes(name_bytes, size);
  return kTarBlockBytes + (pax > 0 ? kTarBlockBytes + pax + tar_padding_bytes(pax) : 0);
}

std::uint64_t tar_member_bytes(std::uint64_t name_bytes, std::uint64_t size) {
  return tar_header_bytes(name_bytes, size) + size + tar_padding_bytes(size);
}

std::string tar_header(std::string_view name, std::uint64_t size) {
  std::string pax;
  if (name.size() > kNameBytesMax) append_pax_record(pax, "path", name);
  if (size > kSizeMax) append_pax_record(pax, "size", std::to_string(size));
  std::string header;
  if (!pax.empty()) {
    header = ustar_block("PaxHeader", pax.size(), 'x');
    pax.append(tar_padding_bytes(pax.size()), '\0');
    header += pax;
  }
  header += ustar_block(name, size, '0');
  CHECK(header.size() == tar_header_bytes(name.size(), size));
  return header;
}

}  // namespace storage::dataset
