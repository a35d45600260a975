// Result<T>: an expected failure is a value. It carries a boost error_code, the same as Asio's and errno's.
//
// Errors  Errc below are the store's own; an errno of a drive travels in the system category unchanged.
//         api/error_table.cpp alone turns codes into S3 answers.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <type_traits>

namespace storage {

enum class Errc {
  ok = 0,
  not_found,          // no such row, object, part or upload
  conflict,           // a precondition of a transaction failed: somebody else was faster
  corrupt_record,     // a metadata value that does not parse or fails its checksum
  corrupt_data,       // bytes of a drive fail their checksum and too few shards are left to decode
  io_error,           // a drive refused or timed out
  drive_lost,         // the drive is gone: removed, truncated or out of service
  no_space,           // no free zone or no metadata space is left for this kind of write
  read_only,          // fewer than m+1 domains are alive, or a metadata engine is poisoned
  overloaded,         // a bound is reached and waiting for it took too long
  shutting_down,      // the process is stopping
  invalid_argument,   // the caller passed what the contract forbids
  too_large,          // a value, transaction or body above its bound
  unsupported,        // a format or feature bit that this binary does not know
  snapshot_expired,   // a snapshot lived longer than configured: restart from a new one
  bound_exceeded,     // add(): the counter would leave its bound
  // Outcomes of the front door (object_store.h).
  bucket_not_found,
  bucket_exists,
  bucket_not_empty,
  upload_not_found,
  part_not_found,          // Complete names a part that is absent or has another ETag
  part_order,              // Complete names parts in descending or repeated order
  part_too_small,          // Complete: a part below the minimum that is not the last
  precondition_failed,     // If-Match and friends, checked at commit
  conditional_conflict,    // a conditional write raced with another write
  size_mismatch,           // x-amz-mp-object-size and the like differ from what is stored
  checksum_mismatch,       // Complete: a checksum sent differs from the one stored or computed
  checksum_type_mismatch,  // Complete or UploadPart: another algorithm or type than Create declared
  version_not_found,       // no version of the key has that id
  object_locked,           // the version is under retention or a legal hold
  annotation_not_found,    // the version has no annotation of that name
  annotation_limit,        // the version has as many annotations as it may have
};

const boost::system::error_category& store_category() noexcept;

inline boost::system::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), store_category()};
}

using Error = boost::system::error_code;

// Boost's result, made [[nodiscard]]: dropping an error breaks the build.
template <class T = void>
class [[nodiscard]] Result : public boost::system::result<T> {
 public:
  using boost::system::result<T>::result;
};

// For `return success();` from a function that returns Result<>.
inline Result<> success() { return Result<>(boost::system::in_place_value); }

}  // namespace storage

template <>
struct boost::system::is_error_code_enum<storage::Errc> : std::true_type {};
