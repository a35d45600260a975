// The policy document of a form upload: who signed it, until when, and what it says of the fields.
//
// Errors    AccessDenied (expired, a condition that fails, a field that no condition names), InvalidAccessKeyId,
//           InvalidArgument, InvalidPolicyDocument, SignatureDoesNotMatch. A policy says itself how long it holds: the clock skew
//           of requests does not apply.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/error_table.h"
#include "api/service.h"
#include "api/sigv4.h"

namespace api {

// The fields of a form before its file, names as sent, compared without case.
struct FormFields {
  std::vector<std::pair<std::string, std::string>> all;

  const std::string* find(std::string_view name) const;  // the first, or nullptr
};

struct LengthRange {
  std::uint64_t min = 0;
  std::uint64_t max = UINT64_MAX;
};

// Whose signature, of version 4 or 2, the form's policy carries; the identity of nobody for a form that is not signed. Its
// views are of `fields`. `signature_v2`: whether the old form is taken. Errors: as above, InvalidRequest.
struct FormScope {
  std::string_view region;
  std::span<const std::string> locations;
  bool signature_v2 = true;
  std::int64_t now_ms = 0;
};
Outcome<Identity> form_signer(const FormFields& fields, const Authenticator& authenticator, const FormScope& scope);

// Judges the fields; `bucket` and `key` are what they come to. Gives the bounds of the file's length.
Outcome<LengthRange> judge_policy(const FormFields& fields, std::string_view bucket, std::string_view key,
                                  std::int64_t now_ms);

}  // namespace api
