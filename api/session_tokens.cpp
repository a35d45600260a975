#include "api/session_tokens.h"

#include <array>
#include <mutex>
#include <nlohmann/json.hpp>

#include "api/access/policy.h"
#include "api/digest.h"
#include "api/encoding.h"
#include "api/http_date.h"
#include "api/secret_box.h"

namespace api {
namespace {

using nlohmann::json;

constexpr std::size_t kTokenBytesMax = 8 * 1024;

std::string about(std::string_view access_key) { return "session\n" + std::string(access_key); }

std::string new_access_key() {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string key = "ASIA";  // as clients expect of temporary ones
  for (const char c : random_bytes(16)) key += kLetters[static_cast<unsigned char>(c) % kLetters.size()];
  return key;
}

}  // namespace

// A slot is found by the token's hash and holds one.
struct SessionTokens::Cache {
  struct Slot {
    std::string access_key;
    Sha256Digest token{};
    std::uint64_t generation = 0;
    CredentialPtr credential;
  };
  std::mutex mutex;
  std::array<Slot, 512> slots;
};

SessionTokens::SessionTokens(storage::Clock& clock, const SecretBox& box, const UserDirectory& users)
    : clock_(clock), box_(box), users_(users), cache_(std::make_unique<Cache>()) {}
SessionTokens::~SessionTokens() = default;

Outcome<NewSession> SessionTokens::make(const SessionWish& wish) const {
  NewSession session;
  session.access_key = new_access_key();
  session.secret_key = to_base64url(random_bytes(30));
  const json document = {{"user", wish.user_id},
                         {"secret", session.secret_key},
                         {"issued_ms", clock_.wall_ms()},
                         {"expires_ms", wish.expires_ms},
                         {"policy", wish.policy}};
  std::string text = document.dump(-1, ' ', false, json::error_handler_t::replace);
  const auto sealed = box_.seal(text, about(session.access_key));
  wipe(text.data(), text.size());
  if (!sealed) return Failure(S3Error::invalid_request, "This store has no key to seal temporary credentials with.");
  session.token = to_base64url(*sealed);
  return session;
}

Outcome<CredentialPtr> SessionTokens::decode(std::string_view access_key, std::string_view token) const {
  if (token.size() > kTokenBytesMax) return S3Error::invalid_token;
  const auto sealed = from_base64url(token);
  auto text = sealed ? box_.open(*sealed, about(access_key)) : std::nullopt;
  if (!text) return S3Error::invalid_token;
  json document = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  wipe(text->data(), text->size());
  if (!document.is_object()) return S3Error::invalid_token;
  const PrincipalPtr user = users_.find_active(document.value("user", ""));
  if (user == nullptr) return Failure(S3Error::invalid_access_key_id).with("AWSAccessKeyId", access_key);
  auto principal = std::make_shared<Principal>(*user);
  principal->access_key = access_key;
  principal->token_issued = iso_date(document.value("issued_ms", std::int64_t{0}));
  if (const std::string policy = document.value("policy", ""); !policy.empty()) {
    const Policy::Kind kind;
    auto parsed = Policy::parse(policy, kind);
    if (!parsed) return S3Error::invalid_token;
    principal->session_policy = std::move(*parsed);
  }
  auto credential = std::make_shared<Credential>();
  auto& secret = document["secret"].get_ref<std::string&>();
  credential->secret = Secret(secret);
  wipe(secret.data(), secret.size());
  credential->principal = std::move(principal);
  credential->serial = UserDirectory::next_serial();
  credential->expires_ms = document.value("expires_ms", std::int64_t{0});
  credential->temporary = true;
  return CredentialPtr(std::move(credential));
}

Outcome<CredentialPtr> SessionTokens::open(std::string_view access_key, std::string_view token) const {
  const Sha256Digest digest = sha256(token);
  const std::uint64_t generation = users_.generation();
  Cache::Slot& slot = cache_->slots[(digest[0] * 256U + digest[1]) % cache_->slots.size()];
  CredentialPtr found;
  {
    const std::lock_guard lock(cache_->mutex);
    if (slot.token == digest && slot.access_key == access_key && slot.generation == generation) found = slot.credential;
  }
  if (found == nullptr) {
    auto decoded = decode(access_key, token);
    if (!decoded) return decoded.error();
    found = std::move(*decoded);
    const std::lock_guard lock(cache_->mutex);
    slot.access_key = access_key;
    slot.token = digest;
    slot.generation = generation;
    slot.credential = found;
  }
  if (clock_.wall_ms() >= found->expires_ms) return S3Error::expired_token;
  return found;
}

}  // namespace api
