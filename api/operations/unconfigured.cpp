// What S3 answers about everything that nobody configured. Clients ask on their way to other things: s3cmd
// for policy and cors, rclone for versioning, mc for object-lock.
#include "api/operations/operations.h"

namespace api {
namespace {

struct ErrorAnswer {
  std::string_view sub_resource;
  S3Error error;
};

constexpr ErrorAnswer kErrors[] = {
    {"replication", S3Error::replication_configuration_not_found},
    {"torrent", S3Error::no_such_key},
};

}  // namespace

Task<Outcome<Response>> get_unconfigured(Call& call) {
  const std::string_view sub_resource = call.route->sub_resource;
  for (const ErrorAnswer& answer : kErrors) {
    if (answer.sub_resource == sub_resource) co_return answer.error;
  }
  co_return S3Error::internal_error;  // a route without a row here: tests ask for each
}

}  // namespace api
