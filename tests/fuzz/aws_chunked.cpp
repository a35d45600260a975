// Any bytes as an aws-chunked body, cut into pieces wherever the input says: pieces must not matter.
#include <cstdint>
#include <vector>

#include "api/chunked_decoder.h"
#include "storage/base/check.h"

namespace {

struct Outcome {
  bool whole = false;
  std::vector<std::byte> payload;
};

Outcome decode(std::span<const std::byte> bytes, std::size_t piece, std::uint64_t length, bool trailer) {
  api::ChunkedDecoder::Options options;
  options.decoded_length = length;
  options.trailer_allowed = trailer;
  if (trailer) options.trailer_name = "x-amz-checksum-crc32";
  api::ChunkedDecoder decoder(options);
  Outcome outcome;
  while (!bytes.empty()) {
    const std::size_t count = std::min(piece, bytes.size());
    std::vector<std::byte> fed(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    const storage::Result<std::size_t> decoded = decoder.feed(fed);
    if (!decoded) return outcome;
    CHECK(*decoded <= fed.size());
    outcome.payload.insert(outcome.payload.end(), fed.begin(), fed.begin() + static_cast<std::ptrdiff_t>(*decoded));
    CHECK(outcome.payload.size() <= length);
  }
  outcome.whole = decoder.finish().has_value();
  CHECK(!outcome.whole || outcome.payload.size() == length);
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::uint64_t length = data[0];
  const bool trailer = (data[1] & 1) != 0;
  const std::size_t piece = 1 + (data[1] >> 1);
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data) + 2, size - 2);
  const Outcome in_pieces = decode(bytes, piece, length, trailer);
  const Outcome at_once = decode(bytes, bytes.size() + 1, length, trailer);
  CHECK(in_pieces.whole == at_once.whole);
  CHECK(!at_once.whole || in_pieces.payload == at_once.payload);
  return 0;
}
