// The error document of what fails before or outside the S3 service: a head that cannot be read, an exception, a stop.
#pragma once

#include <string_view>

#include "api/service.h"

namespace server {

api::Response error_response(unsigned status, std::string_view code, std::string_view message, std::string_view request_id);

}  // namespace server
