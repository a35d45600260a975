#include "api/chunked_decoder.h"

#include <gtest/gtest.h>

#include "api/error_table.h"
#include "api/limits.h"
#include "tests/unit/api/requests.h"

namespace {

using api::ChunkedDecoder;
using api::S3Error;

struct Decoded {
  std::string text;
  std::string trailer;
  boost::system::error_code error;
};

// Feeds `wire` in pieces of `step` bytes.
Decoded decode(const std::string& wire, ChunkedDecoder::Options options, std::size_t step) {
  ChunkedDecoder decoder(std::move(options));
  Decoded decoded;
  for (std::size_t at = 0; at < wire.size(); at += step) {
    std::string piece = wire.substr(at, step);
    const auto payload = decoder.feed(std::as_writable_bytes(std::span(piece.data(), piece.size())));
    if (!payload) {
      decoded.error = payload.error();
      return decoded;
    }
    decoded.text.append(piece, 0, *payload);
  }
  if (const auto whole = decoder.finish(); !whole) decoded.error = whole.error();
  decoded.trailer = decoder.trailer_value();
  return decoded;
}

ChunkedDecoder::Options unsigned_options(std::uint64_t length, std::string trailer = {}) {
  ChunkedDecoder::Options options;
  options.decoded_length = length;
  options.trailer_allowed = true;
  options.trailer_name = std::move(trailer);
  return options;
}

// The error of `wire` must not depend on where its pieces are cut.
void expect_error(const std::string& wire, const ChunkedDecoder::Options& options, S3Error expected) {
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, wire.size() + 1}) {
    EXPECT_EQ(decode(wire, options, step).error, make_error_code(expected))
        << wire.substr(0, 60) << " step " << step;
  }
}

constexpr const char* kCrc = "x-amz-checksum-crc32";

TEST(ChunkedDecoder, AnyCutGivesTheSameBytes) {
  const std::string text = "hello, object store of samples and labels";
  const std::string wire = tests::aws_chunked(text, 7, nullptr, "x-amz-checksum-crc32:AAAAAA==");
  for (std::size_t step = 1; step <= wire.size(); ++step) {
    const Decoded decoded = decode(wire, unsigned_options(text.size(), kCrc), step);
    ASSERT_FALSE(decoded.error) << "step " << step;
    EXPECT_EQ(decoded.text, text);
    EXPECT_EQ(decoded.trailer, "AAAAAA==");
  }
}

// Items 21 and 22.
TEST(ChunkedDecoder, SizesAsClientsWriteThem) {
  EXPECT_EQ(decode("A\r\n0123456789\r\n0\r\n\r\n", unsigned_options(10), 4).text, "0123456789");
  EXPECT_EQ(decode("000a\r\n0123456789\r\n000\r\n\r\n", unsigned_options(10), 4).text, "0123456789");
  const Decoded empty = decode("0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", unsigned_options(0, kCrc), 1);
  EXPECT_FALSE(empty.error);
  EXPECT_EQ(empty.trailer, "AAAAAA==");
}

// minio-go ends trailer lines with a bare newline and the whole with one blank line more.
TEST(ChunkedDecoder, TrailersOfMinioGo) {
  const Decoded decoded =
      decode("1\r\nx\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\n\r\n\r\n", unsigned_options(1, kCrc), 1);
  EXPECT_FALSE(decoded.error) << decoded.error.message();
  EXPECT_EQ(decoded.trailer, "AAAAAA==");
}

// Items 28, 128, 138.
TEST(ChunkedDecoder, BrokenFraming) {
  const auto options = unsigned_options(3);
  for (const char* wire :
       {"", "3", "3\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "3\r\nabc\r\n0", "3\r\nabcX\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n", "x\r\nabc\r\n0\r\n\r\n", "\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n0\r\n\r\n",
        "4\r\nabcd\r\n0\r\n\r\n", "2\r\nab\r\n0\r\n\r\n", "0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\nmore",
        "ffffffffffffffff\r\nabc", "3fffffffffffffffff\r\nabc", "3\r\nabc\r\n0\r\n\r\n\r\n\r\n"}) {
    expect_error(wire, options, S3Error::incomplete_body);
  }
  expect_error(std::string(api::kChunkHeaderBytesMax + 2, '0') + "3\r\nabc\r\n0\r\n\r\n", options,
               S3Error::incomplete_body);
}

TEST(ChunkedDecoder, BrokenTrailers) {
  const std::string body = "1\r\nx\r\n0\r\n";
  const auto declared = unsigned_options(1, kCrc);
  expect_error(body + "\r\n", declared, S3Error::malformed_trailer);
  expect_error(body, declared, S3Error::malformed_trailer);
  expect_error(body + "x-amz-checksum-sha1:AAAA\r\n\r\n", declared, S3Error::malformed_trailer);
  expect_error(body + "x-amz-checksum-crc32\r\n\r\n", declared, S3Error::malformed_trailer);
  expect_error(body + "x-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:a\r\n\r\n", declared,
               S3Error::malformed_trailer);
  expect_error(body + "x-amz-checksum-crc32:" + std::string(api::kTrailerBytesMax, 'a') + "\r\n\r\n",
               declared, S3Error::malformed_trailer);
  expect_error(body + "x-amz-checksum-crc32:AAAAAA==\r\n\r\n", unsigned_options(1),
               S3Error::malformed_trailer);
  auto no_trailers = unsigned_options(1);
  no_trailers.trailer_allowed = false;
  expect_error(body + "x-amz-meta-a:1\r\n\r\n", no_trailers, S3Error::malformed_trailer);
}

// AWS's published example: 65,536 and 1,024 bytes of 'a', each chunk signed.
TEST(ChunkedDecoder, PublishedSignedExample) {
  ChunkedDecoder::Options options;
  options.decoded_length = 66'560;
  options.signing =
      api::ChunkSigning{api::signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1"),
                        "20130524T000000Z", "20130524/us-east-1/s3/aws4_request",
                        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"};
  const std::string wire =
      "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
      std::string(65'536, 'a') +
      "\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
      std::string(1'024, 'a') +
      "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
  const Decoded decoded = decode(wire, options, 1000);
  EXPECT_FALSE(decoded.error) << decoded.error.message();
  EXPECT_EQ(decoded.text, std::string(66'560, 'a'));

  std::string changed = wire;
  changed[200] = 'b';
  EXPECT_EQ(decode(changed, options, 1000).error, make_error_code(S3Error::signature_does_not_match));
  expect_error("1\r\na\r\n", options, S3Error::signature_does_not_match);
}

// Item 27.
TEST(ChunkedDecoder, SignedTrailer) {
  const api::ChunkSigning signing{api::signing_key("secret", "20130524", "us-east-1"), "20130524T000000Z",
                                  "20130524/us-east-1/s3/aws4_request", std::string(64, 'a')};
  auto options = unsigned_options(5, kCrc);
  options.signing = signing;
  const std::string wire = tests::aws_chunked("hello", 2, &signing, "x-amz-checksum-crc32:NhCmhg==");
  for (std::size_t step = 1; step <= wire.size(); ++step) {
    const Decoded decoded = decode(wire, options, step);
    ASSERT_FALSE(decoded.error) << decoded.error.message();
    EXPECT_EQ(decoded.trailer, "NhCmhg==");
  }
  std::string changed = wire;
  changed.replace(changed.find("NhCmhg=="), 8, "AAAAAA==");
  EXPECT_EQ(decode(changed, options, 1).error, make_error_code(S3Error::signature_does_not_match));
  const std::size_t at = wire.find("x-amz-trailer-signature");
  EXPECT_EQ(decode(wire.substr(0, at) + "\r\n", options, 1).error,
            make_error_code(S3Error::malformed_trailer));
  // minio-go sets the signature off by a blank line.
  std::string spaced = wire;
  spaced.insert(at, "\r\n");
  EXPECT_FALSE(decode(spaced, options, 1).error);
}

}  // namespace
