#include "storage/base/result.h"

#include <string>

namespace storage {
namespace {

class StoreCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "granary"; }

  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::ok: return "ok";
      case Errc::not_found: return "not found";
      case Errc::conflict: return "a precondition of the transaction failed";
      case Errc::corrupt_record: return "a metadata record is damaged";
      case Errc::corrupt_data: return "stored bytes are damaged beyond repair";
      case Errc::io_error: return "a drive failed";
      case Errc::drive_lost: return "the drive is out of service";
      case Errc::no_space: return "out of space";
      case Errc::read_only: return "the store is read-only";
      case Errc::overloaded: return "a bound is reached";
      case Errc::shutting_down: return "shutting down";
      case Errc::invalid_argument: return "invalid argument";
      case Errc::too_large: return "too large";
      case Errc::unsupported: return "unsupported format or feature";
      case Errc::snapshot_expired: return "the snapshot expired";
      case Errc::bound_exceeded: return "a counter would leave its bound";
      case Errc::bucket_not_found: return "no such bucket";
      case Errc::bucket_exists: return "the bucket exists";
      case Errc::bucket_not_empty: return "the bucket is not empty";
      case Errc::upload_not_found: return "no such upload";
      case Errc::part_not_found: return "no such part";
      case Errc::part_order: return "parts out of order";
      case Errc::part_too_small: return "part too small";
      case Errc::precondition_failed: return "precondition failed";
      case Errc::conditional_conflict: return "a conditional write met another write";
      case Errc::size_mismatch: return "size mismatch";
      case Errc::checksum_mismatch: return "checksum mismatch";
      case Errc::checksum_type_mismatch: return "checksum type mismatch";
      case Errc::version_not_found: return "no such version";
      case Errc::object_locked: return "the version is locked";
      case Errc::annotation_not_found: return "no such annotation";
      case Errc::annotation_limit: return "the version has too many annotations";
    }
    return "unknown error";
  }
};

}  // namespace

const boost::system::error_category& store_category() noexcept {
  static const StoreCategory category;
  return category;
}

}  // namespace storage
