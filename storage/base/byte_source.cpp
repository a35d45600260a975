#include "storage/base/byte_source.h"

namespace storage {

Task<Result<std::size_t>> read_full(ByteSource& source, std::span<std::byte> into) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    Result<std::size_t> n = co_await source.read(into.subspan(filled));
    if (!n) co_return n.error();
    if (*n == 0) break;
    filled += *n;
  }
  co_return filled;
}

}  // namespace storage
