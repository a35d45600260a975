// The route table: which operation a request means. Everything else is refused here, before a body is read,
// so that no request that means something else can fall through to a plain PUT or DELETE.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "api/access/operation_rules.h"
#include "api/error_table.h"
#include "api/service.h"

namespace api {

struct Call;
struct RequestTarget;

using Handler = Task<Outcome<Response>> (*)(Call& call);

enum class Scope { service, bucket, object, virtual_object };  // virtual: keys under .granary/

struct Route {
  std::string_view method;
  Scope scope;
  std::string_view sub_resource;  // empty: none
  bool copy = false;              // with x-amz-copy-source
  std::string_view operation;     // S3's name of it
  Handler handler = nullptr;
  // Query parameters that a PUT, POST or DELETE may carry besides the sub-resource, X-Amz-* and x-id.
  std::array<std::string_view, 2> parameters = {};
  bool needs_bucket = true;  // the bucket must exist and belong to the caller
};

std::span<const Route> routes();

// What a row of routes() needs to be allowed.
const OperationRule& rule_of(const Route& route);

// The route of a request. `copy`: whether it names an x-amz-copy-source. Errors: InvalidArgument,
// InvalidRequest, MethodNotAllowed (with Allow), NotImplemented.
Outcome<const Route*> find_route(std::string_view method, const RequestTarget& target, bool copy);

// Refuses x-amz- headers and presigned parameters that would change what a call means and are not built: 501
// unless they spell the default. Errors: NotImplemented, InvalidStorageClass, InvalidArgument.
Outcome<> check_directives(const Call& call);

}  // namespace api
