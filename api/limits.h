// Bounds on everything that a client can make long. One place, so that no parser is without one.
//
// The size of the request head (all header lines together) is the session's bound, not listed here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace api {

inline constexpr std::size_t kTargetBytesMax = 16 * 1024;  // path and query as received
inline constexpr std::size_t kVirtualTargetBytesMax = 200 * 1024;  // likewise, of virtual objects and of query= listings
inline constexpr std::size_t kQueryParametersMax = 128;
inline constexpr std::size_t kSignedHeadersMax = 128;
inline constexpr std::size_t kUserMetadataBytesMax = 2 * 1024;  // names and values together
inline constexpr std::size_t kHeaderValueBytesMax = 8 * 1024;   // a stored system header
inline constexpr std::size_t kXmlBodyBytesMax = 1024 * 1024;
inline constexpr std::size_t kDeleteBodyBytesMax = 8 * 1024 * 1024;  // 1,000 keys, fully escaped: about 6 MB
inline constexpr std::size_t kCompleteBodyBytesMax = 4 * 1024 * 1024;  // 10,000 parts with a checksum each
inline constexpr std::size_t kXmlDepthMax = 12;
inline constexpr std::size_t kXmlElementsMax = 80'000;  // 10,000 parts of up to 7 elements, and some
inline constexpr std::size_t kDeleteKeysMax = 1'000;
inline constexpr std::size_t kObjectTagsMax = 10;
inline constexpr std::size_t kBucketTagsMax = 50;
inline constexpr std::size_t kTagKeyCharactersMax = 128;
inline constexpr std::size_t kTagValueCharactersMax = 256;
inline constexpr std::size_t kChunkHeaderBytesMax = 256;  // of aws-chunked: size and signature
inline constexpr std::size_t kTrailerBytesMax = 8 * 1024;
inline constexpr std::size_t kUploadIdBytesMax = 256;
inline constexpr std::uint32_t kBucketsPageMax = 10'000;
inline constexpr std::size_t kReadBufferBytes = 256 * 1024;  // one read of a body in a copy or an XML body
inline constexpr std::uint32_t kBufferWaitMs = 10'000;
inline constexpr std::int64_t kClockSkewMsMax = 15 * 60 * 1000;
inline constexpr std::uint64_t kPresignSecondsMax = 7 * 24 * 3600;

}  // namespace api
