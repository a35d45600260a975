#include "api/sts.h"

#include <algorithm>

#include "api/access/policy.h"
#include "api/ascii.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/limits.h"
#include "api/sigv4.h"
#include "api/xml_body.h"
#include "api/xml_writer.h"

namespace api {
namespace {

constexpr std::string_view kNamespace = "https://sts.amazonaws.com/doc/2011-06-15/";
constexpr std::size_t kFormBytesMax = 32 * 1024;

struct Form {
  std::vector<QueryParameter> fields;

  std::optional<std::string_view> get(std::string_view name) const {
    for (const QueryParameter& field : fields) {
      if (field.name == name) return field.value;
    }
    return std::nullopt;
  }
};

struct Duration {
  std::uint64_t lowest_s;
  std::uint64_t highest_s;
  std::uint64_t usual_s;
};
constexpr Duration kRoleDuration = {900, 43'200, 3'600};
constexpr Duration kSessionDuration = {900, 129'600, 43'200};

Failure invalid(std::string message) { return {S3Error::invalid_argument, std::move(message)}; }

Outcome<std::int64_t> expiry(const Form& form, const Duration& duration, std::int64_t now_ms) {
  std::uint64_t seconds = duration.usual_s;
  if (const auto text = form.get("DurationSeconds")) {
    const auto number = parse_decimal(*text);
    if (!number || *number < duration.lowest_s || *number > duration.highest_s) {
      return invalid("The requested DurationSeconds is not between " + to_decimal(duration.lowest_s) + " and " +
                     to_decimal(duration.highest_s));
    }
    seconds = *number;
  }
  return now_ms + static_cast<std::int64_t>(seconds) * 1000;
}

bool is_session_name(std::string_view name) {
  constexpr std::string_view kSigns = "_+=,.@-";
  return name.size() >= 2 && name.size() <= 64 && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || kSigns.find(c) != std::string_view::npos;
  });
}

void write_credentials(XmlWriter& xml, const NewSession& session, std::int64_t expires_ms) {
  xml.open("Credentials");
  xml.element("AccessKeyId", session.access_key);
  xml.element("SecretAccessKey", session.secret_key);
  xml.element("SessionToken", session.token);
  xml.element("Expiration", iso_date(expires_ms));
  xml.close("Credentials");
}

Response document(XmlWriter& xml, unsigned status) {
  Response response;
  response.status = status;
  response.text = xml.take();
  response.content_length = response.text.size();
  response.add_header("Content-Type", "text/xml");
  return response;
}

void open_root(XmlWriter& xml, std::string_view name) {
  xml.open_with(name, "xmlns=\"" + std::string(kNamespace) + "\"");
}

void close_root(XmlWriter& xml, std::string_view name, std::string_view request_id) {
  xml.open("ResponseMetadata");
  xml.element("RequestId", request_id);
  xml.close("ResponseMetadata");
  xml.close(name);
}

// The names that this service has for what S3 calls otherwise.
std::string_view sts_code(S3Error error) {
  switch (error) {
    case S3Error::invalid_argument:
      return "ValidationError";
    case S3Error::malformed_policy:
      return "MalformedPolicyDocument";
    case S3Error::invalid_access_key_id:
    case S3Error::invalid_token:
      return "InvalidClientTokenId";
    default:
      return error_row(error).code;
  }
}

Response refused(const Call& call, const Failure& failure) {
  const ErrorRow& row = error_row(failure.error());
  XmlWriter xml;
  open_root(xml, "ErrorResponse");
  xml.open("Error");
  xml.element("Type", row.status < 500 ? "Sender" : "Receiver");
  xml.element("Code", sts_code(failure.error()));
  xml.element("Message", failure.message());
  xml.close("Error");
  xml.element("RequestId", call.request.request_id);
  xml.close("ErrorResponse");
  return document(xml, row.status);
}

// What the credentials shall be. Errors: InvalidArgument, MalformedPolicy.
Outcome<SessionWish> read_wish(const Call& call, const Form& form, bool role) {
  SessionWish wish;
  wish.user_id = call.user().id;
  const auto expires = expiry(form, role ? kRoleDuration : kSessionDuration, call.clock.wall_ms());
  if (!expires) return expires.error();
  wish.expires_ms = *expires;
  if (!role) return wish;
  const auto arn = form.get("RoleArn");
  if (!arn || arn->size() < 20 || arn->size() > 2048 || !arn->starts_with("arn:")) return invalid("RoleArn is not valid");
  if (!is_session_name(form.get("RoleSessionName").value_or(""))) return invalid("RoleSessionName is not valid");
  if (const auto policy = form.get("Policy"); policy && !policy->empty()) {
    if (policy->size() > kSessionPolicyBytesMax) return invalid("Policy has more than 2048 characters");
    const Policy::Kind kind;
    if (auto parsed = Policy::parse(*policy, kind); !parsed) return parsed.error();
    wish.policy = *policy;
  }
  return wish;
}

Outcome<Response> make_session(const Call& call, const Form& form, bool role, const SessionTokens& sessions) {
  if (call.identity.credential->temporary) {
    return Failure(S3Error::access_denied, "Cannot call this with session credentials");
  }
  const auto wish = read_wish(call, form, role);
  if (!wish) return wish.error();
  const auto session = sessions.make(*wish);
  if (!session) return session.error();
  XmlWriter xml;
  const std::string_view action = role ? "AssumeRole" : "GetSessionToken";
  open_root(xml, std::string(action) + "Response");
  xml.open(std::string(action) + "Result");
  if (role) {
    const std::string name(form.get("RoleSessionName").value_or(""));
    // arn:aws:iam::ACCOUNT:role/NAME as its session's name is spelt.
    std::string_view role_name = form.get("RoleArn").value_or("");
    role_name = role_name.substr(role_name.rfind('/') + 1);
    xml.open("AssumedRoleUser");
    xml.element("AssumedRoleId", session->access_key + ":" + name);
    xml.element("Arn", "arn:aws:sts::" + call.user().id + ":assumed-role/" + std::string(role_name) + "/" + name);
    xml.close("AssumedRoleUser");
  }
  write_credentials(xml, *session, wish->expires_ms);
  xml.close(std::string(action) + "Result");
  close_root(xml, std::string(action) + "Response", call.request.request_id);
  return document(xml, 200);
}

}  // namespace

bool may_be_sts(const Request& request, const RequestTarget& target) {
  if (request.method != "POST" || !target.bucket.empty() || !target.query.empty()) return false;
  const auto type = request.header("content-type");
  return type && starts_with_caseless(trim(*type), "application/x-www-form-urlencoded");
}

Task<std::optional<Response>> answer_sts(Call& call, Authenticator& authenticator, const SessionTokens& sessions) {
  XmlBodyNeeds needs;
  needs.length_max = kFormBytesMax;
  needs.may_be_empty = true;
  auto body = co_await read_text_body(call, needs);
  if (!body) co_return refused(call, body.error());
  auto fields = parse_query(*body);
  if (!fields) co_return refused(call, fields.error());
  Form form;
  form.fields = std::move(*fields);
  const std::string action(form.get("Action").value_or(""));
  const bool role = action == "AssumeRole";
  if (!role && action != "GetSessionToken") co_return std::nullopt;
  std::string hash;
  append_hex(hash, sha256(*body));
  auto identity = authenticator.authenticate_sts(call.request, call.target, hash);
  if (!identity) co_return refused(call, identity.error());
  call.identity = std::move(*identity);
  auto made = make_session(call, form, role, sessions);
  if (!made) co_return refused(call, made.error());
  made->operation = role ? "AssumeRole" : "GetSessionToken";
  co_return std::move(*made);
}

}  // namespace api
