// AWS Signature Version 4: who sent this request, and did nobody change it on the way.
//
// Threads   any; the cache of signing keys has a lock of its own.
// Lifetime  the directory outlives the Authenticator; an Identity holds views of the request.
// Secrets   no key, signature or derived key is ever logged. The failure document repeats what the
// client sent and
//           what it should have signed, never a key.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/digest.h"
#include "api/error_table.h"
#include "api/request_target.h"
#include "api/service.h"
#include "api/user_directory.h"
#include "storage/base/clock.h"

namespace api {

// What x-amz-content-sha256 announces about the body.
enum class PayloadMode {
  signed_hash,  // the hex SHA-256 of the body
  unsigned_payload,
  streaming_signed,            // aws-chunked, each chunk signed
  streaming_signed_trailer,    // and a signed trailer
  streaming_unsigned_trailer,  // aws-chunked with a trailer, nothing signed
};

// What signs the chunks of a streaming body.
struct ChunkSigning {
  Sha256Digest key{};
  std::string timestamp;  // as in the request: 20130524T000000Z
  std::string scope;      // 20130524/us-east-1/s3/aws4_request
  std::string seed;       // the request's own signature, 64 hex digits
};

struct Identity {
  CredentialPtr credential;  // null: anonymous
  std::string_view auth_type;          // as policies call it: REST-HEADER, REST-QUERY-STRING, POST; empty: anonymous
  std::string_view signature_version;  // AWS4-HMAC-SHA256, AWS; empty: anonymous
  std::int64_t signed_ms = 0;          // when, as the request says; 0: anonymous
  PayloadMode payload = PayloadMode::unsigned_payload;
  std::string_view payload_sha256;            // 64 hex digits; of signed_hash only
  std::optional<ChunkSigning> chunk_signing;  // of streaming_signed and streaming_signed_trailer only
};

class SessionTokens;

class Authenticator {
 public:
  struct Options {
    std::string region;
    std::span<const std::string> locations;  // further regions that a scope may name
    bool signature_v2 = true;
    const SessionTokens* sessions = nullptr;  // null: there are no temporary credentials
  };

  Authenticator(storage::Clock& clock, const UserDirectory& users, Options options);
  ~Authenticator();

  // Whether the request carries credentials of any kind.
  static bool has_credentials(const Request& request, const RequestTarget& target);

  // What an unsigned request says about its body. Errors: InvalidArgument; AccessDenied for chunks that claim to be signed.
  static Outcome<Identity> anonymous(const Request& request);

  // Verifies the signature. Errors: AccessDenied (no credentials, expired, unsigned x-amz- headers),
  // AuthorizationHeaderMalformed, AuthorizationQueryParametersError, InvalidAccessKeyId, InvalidArgument,
  // InvalidRequest, InvalidToken, RequestTimeTooSkewed, SignatureDoesNotMatch.
  // Cost  three HMACs, two of them spared by the key cache after the first request of a day.
  Outcome<Identity> authenticate(const Request& request, const RequestTarget& target);

  // The same for a call of the security token service, whose scope is sts and whose body was read: `body_sha256` in hex.
  Outcome<Identity> authenticate_sts(const Request& request, const RequestTarget& target, std::string_view body_sha256);

  // Whose key that is; `token` of temporary credentials. For forms, which carry signatures of their own. Errors:
  // InvalidAccessKeyId, InvalidToken, ExpiredToken.
  Outcome<CredentialPtr> find_credential(std::string_view access_key, std::optional<std::string_view> token) const;

 private:
  struct Signed;
  Outcome<Signed> parse_header(const Request& request, std::string_view authorization) const;
  Outcome<Signed> parse_query_form(const Request& request, const RequestTarget& target) const;
  Outcome<Identity> authenticate_v2(const Request& request, const RequestTarget& target) const;
  Outcome<Identity> verify(const Request& request, const RequestTarget& target, Signed& claim);
  Outcome<> check_scope(Signed& claim) const;
  Outcome<> check_time(const Signed& claim) const;
  Outcome<> check_signature(const Request& request, const RequestTarget& target, Signed& claim);

  struct State;
  std::unique_ptr<State> state_;
};

// The string that a request of signature version 2 signs; `date`: its Date line.
std::string string_to_sign_v2(const Request& request, const RequestTarget& target, std::string_view date);

// The canonical request of `target` with the given signed headers (lower-case names separated by ';'), for
// verification and for signing in tests. `query_form` leaves X-Amz-Signature out.
std::string canonical_request(const Request& request, const RequestTarget& target,
                              std::string_view signed_headers, std::string_view payload_hash,
                              bool query_form);

// The signing key of a day: HMAC chain over date (YYYYMMDD), region and service s3.
Sha256Digest signing_key(std::string_view secret, std::string_view date, std::string_view region, std::string_view service = "s3");

}  // namespace api
