// The security token service on the same port: POST / with a form, Action=AssumeRole or GetSessionToken.
//
// A role is a name here and nothing else: what the credentials may do is what their user may do, less what the session policy
// of the request does not allow.
#pragma once

#include "api/call.h"
#include "api/session_tokens.h"

namespace api {

class Authenticator;

// Whether the request is one of these, as far as its head tells: POST / with a form.
bool may_be_sts(const Request& request, const RequestTarget& target);

// Reads the form, then verifies the signature, which covers it. Answers every failure itself, in that service's own document;
// nullopt when the form names another action: somebody else's call.
Task<std::optional<Response>> answer_sts(Call& call, Authenticator& authenticator, const SessionTokens& sessions);

}  // namespace api
