#include "api/user_registry.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "api/access/policy.h"
#include "api/encoding.h"
#include "api/secret_box.h"
#include "api/user_directory.h"
#include "storage/base/log.h"

namespace api {

using nlohmann::json;
using storage::Result;
using storage::Task;

struct UserRegistry::Row {
  struct Key {
    UserKey key;
    std::string sealed;
  };
  UserEntry user;  // without its keys
  std::vector<Key> keys;
  std::uint64_t revision = 0;
};

namespace {

constexpr const char* kTable = "users";
constexpr int kFormat = 1;
constexpr std::uint32_t kPageRows = 200;

Failure no_such_user(const std::string& name) { return {S3Error::no_such_key, "there is no user " + name}; }
Failure wrong(std::string message) { return {S3Error::invalid_argument, std::move(message)}; }

bool is_user_name(std::string_view name) {
  constexpr std::string_view kSigns = "+=,.@_-";
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kSigns.find(c) != std::string_view::npos;
  });
}

// What a sealed secret is about: moved to another user or key it does not open.
std::string about(std::string_view user_id, std::string_view access_key) {
  std::string text = "user\n";
  text.append(user_id).append("\n").append(access_key);
  return text;
}

// 20 characters, as clients expect an access key to look.
std::string new_access_key() {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string key = "GRAN";
  for (const char c : random_bytes(16)) key += kLetters[static_cast<unsigned char>(c) % kLetters.size()];
  return key;
}

}  // namespace

UserRegistry::UserRegistry(storage::ObjectStore& store, storage::Clock& clock, const SecretBox& box,
                           UserDirectory& directory)
    : store_(store), clock_(clock), box_(box), directory_(directory) {}
UserRegistry::~UserRegistry() = default;

namespace {

template <class Row>
std::string encode_row(const Row& row) {
  json keys = json::array();
  for (const auto& each : row.keys) {
    keys.push_back({{"access_key", each.key.access_key},
                    {"created_ms", each.key.created_ms},
                    {"sealed", to_base64(each.sealed)}});
  }
  const json document = {{"format", kFormat},
                         {"id", row.user.id},
                         {"email", row.user.email},
                         {"created_ms", row.user.created_ms},
                         {"enabled", row.user.enabled},
                         {"keys", std::move(keys)},
                         {"policies", row.user.policies}};
  return document.dump();
}

// False for a row that this store did not write.
template <class Row>
bool decode_row(const storage::RegistryRow& stored, Row& row) {
  const json document = json::parse(stored.value, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || document.value("format", 0) > kFormat) return false;
  try {
    row.user.name = stored.name;
    row.user.id = document.at("id").template get<std::string>();
    row.user.email = document.at("email").template get<std::string>();
    row.user.created_ms = document.at("created_ms").template get<std::int64_t>();
    row.user.enabled = document.at("enabled").template get<bool>();
    row.user.policies = document.at("policies").template get<std::map<std::string, std::string>>();
    for (const json& each : document.at("keys")) {
      auto& key = row.keys.emplace_back();
      key.key.access_key = each.at("access_key").template get<std::string>();
      key.key.created_ms = each.at("created_ms").template get<std::int64_t>();
      auto sealed = from_base64(each.at("sealed").template get<std::string>());
      if (!sealed) return false;
      key.sealed = std::move(*sealed);
    }
  } catch (const json::exception&) {
    return false;
  }
  row.revision = stored.revision;
  return true;
}

}  // namespace

Task<Result<std::vector<UserRegistry::Row>>> UserRegistry::read_all() {
  std::vector<Row> rows;
  std::string after;
  while (true) {
    const auto page = co_await store_.registry_rows(kTable, after, kPageRows);
    if (!page) co_return page.error();
    for (const storage::RegistryRow& stored : *page) {
      Row row;
      if (decode_row(stored, row)) rows.push_back(std::move(row));
      else storage::log_error("user_unreadable", {{"user", stored.name}});
    }
    // One more than fits lets add() see that it is full.
    if (page->size() < kPageRows || rows.size() > kUsersMax) co_return rows;
    after = page->back().name;
  }
}

Task<Result<>> UserRegistry::load() {
  std::uint64_t ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    ticket = ++loads_;
  }
  const auto rows = co_await read_all();
  if (!rows) co_return rows.error();
  std::vector<CredentialPtr> credentials;
  std::vector<PrincipalPtr> principals;
  for (const Row& row : *rows) {
    Principal principal;
    principal.id = row.user.id;
    principal.name = row.user.name;
    principal.email = row.user.email;
    bool usable = row.user.enabled;
    for (const auto& [name, text] : row.user.policies) {
      const Policy::Kind kind;
      auto policy = Policy::parse(text, kind);
      if (policy) principal.policies.push_back(std::move(*policy));
      // Without one of their policies a user might do what it denies.
      else usable = false;
    }
    for (const Row::Key& key : row.keys) {
      auto secret = box_.open(key.sealed, about(row.user.id, key.key.access_key));
      if (!secret) storage::log_error("user_key_unreadable", {{"user", row.user.name}});
      if (!secret || !usable) continue;
      auto credential = std::make_shared<Credential>();
      auto owner = std::make_shared<Principal>(principal);
      owner->access_key = key.key.access_key;
      credential->principal = std::move(owner);
      credential->secret = Secret(*secret);
      credential->serial = UserDirectory::next_serial();
      wipe(secret->data(), secret->size());
      credentials.push_back(std::move(credential));
    }
    principals.push_back(std::make_shared<const Principal>(std::move(principal)));
  }
  // Of two that overlap, the one that began later has seen all that the other saw.
  const std::lock_guard lock(mutex_);
  if (ticket > loaded_) {
    loaded_ = ticket;
    directory_.replace(std::move(credentials), std::move(principals));
  }
  co_return storage::success();
}

Task<Outcome<UserRegistry::Row>> UserRegistry::find(std::string name) {
  if (!is_user_name(name)) co_return no_such_user(name);
  const auto stored = co_await store_.registry_row(kTable, name);
  if (!stored) {
    if (stored.error() == storage::Errc::not_found) co_return no_such_user(name);
    co_return stored.error();
  }
  Row row;
  if (!decode_row(*stored, row)) co_return Failure(S3Error::internal_error, "the row of this user cannot be read");
  co_return row;
}

Task<Outcome<>> UserRegistry::write(Row row) {
  storage::RegistryRow stored;
  stored.name = row.user.name;
  stored.value = encode_row(row);
  const auto put = co_await store_.put_registry_row(kTable, std::move(stored), row.revision);
  if (!put) {
    if (put.error() != storage::Errc::conflict) co_return put.error();
    co_return Failure(S3Error::operation_aborted, "this user is being changed by somebody else: try again");
  }
  const auto loaded = co_await load();
  if (!loaded) co_return loaded.error();
  co_return done();
}

Task<Outcome<std::vector<UserEntry>>> UserRegistry::list() {
  const auto rows = co_await read_all();
  if (!rows) co_return rows.error();
  std::vector<UserEntry> users;
  for (const Row& row : *rows) users.push_back(entry_of(row));
  co_return users;
}

UserEntry UserRegistry::entry_of(const Row& row) {
  UserEntry user = row.user;
  for (const Row::Key& key : row.keys) user.keys.push_back(key.key);
  return user;
}

Task<Outcome<UserEntry>> UserRegistry::get(std::string name) {
  const auto row = co_await find(std::move(name));
  if (!row) co_return row.error();
  co_return entry_of(*row);
}

Outcome<NewUserKey> UserRegistry::make_key(Row& row) const {
  if (row.keys.size() == kUserKeysMax) return wrong("a user has at most " + std::to_string(kUserKeysMax) + " keys");
  NewUserKey made;
  made.id = row.user.id;
  made.access_key = new_access_key();
  made.secret_key = to_base64url(random_bytes(30));
  auto sealed = box_.seal(made.secret_key, about(row.user.id, made.access_key));
  if (!sealed) {
    return Failure(S3Error::invalid_request,
                   "this store has no secrets key: set \"secrets_key\" or \"secrets_key_file\" in its configuration");
  }
  Row::Key& key = row.keys.emplace_back();
  key.key = {made.access_key, clock_.wall_ms()};
  key.sealed = std::move(*sealed);
  return made;
}

Task<Outcome<NewUserKey>> UserRegistry::add(std::string name, std::string email) {
  if (!is_user_name(name)) co_return wrong("a user name has 1 to 64 letters, digits and + = , . @ _ -");
  if (email.size() > 254 || !is_utf8(email)) co_return wrong("this is no e-mail address");
  if (directory_.knows_any(name)) co_return wrong("there is a user " + name + " already");
  const auto users = co_await read_all();
  if (!users) co_return users.error();
  if (users->size() >= kUsersMax) co_return wrong("there are " + std::to_string(kUsersMax) + " users: no more fit");
  Row row;
  row.user.name = std::move(name);
  row.user.email = std::move(email);
  row.user.id = to_hex(random_bytes(32));
  row.user.created_ms = clock_.wall_ms();
  const auto key = make_key(row);
  if (!key) co_return key.error();
  if (auto written = co_await write(std::move(row)); !written) co_return written.error();
  co_return *key;
}

Task<Outcome<NewUserKey>> UserRegistry::add_key(std::string name) {
  auto row = co_await find(std::move(name));
  if (!row) co_return row.error();
  const auto key = make_key(*row);
  if (!key) co_return key.error();
  if (auto written = co_await write(std::move(*row)); !written) co_return written.error();
  co_return *key;
}

Task<Outcome<>> UserRegistry::change(std::string name, Change how, std::string first, std::string second) {
  auto row = co_await find(std::move(name));
  if (!row) co_return row.error();
  if (auto changed = how(*row, first, second); !changed) co_return changed.error();
  co_return co_await write(std::move(*row));
}

Task<Outcome<>> UserRegistry::set_enabled(std::string name, bool enabled) {
  const Change how = [](Row& row, const std::string& value, const std::string&) -> Outcome<> {
    row.user.enabled = value == "true";
    return done();
  };
  co_return co_await change(std::move(name), how, enabled ? "true" : "false", {});
}

Task<Outcome<>> UserRegistry::remove(std::string name) {
  auto row = co_await find(std::move(name));
  if (!row) co_return row.error();
  const auto removed = co_await store_.remove_registry_row(kTable, row->user.name, row->revision);
  if (!removed) {
    if (removed.error() != storage::Errc::conflict) co_return removed.error();
    co_return Failure(S3Error::operation_aborted, "this user is being changed by somebody else: try again");
  }
  const auto loaded = co_await load();
  if (!loaded) co_return loaded.error();
  co_return done();
}

Task<Outcome<>> UserRegistry::remove_key(std::string name, std::string access_key) {
  const Change how = [](Row& row, const std::string& key, const std::string&) -> Outcome<> {
    const auto gone = std::find_if(row.keys.begin(), row.keys.end(),
                                   [&](const Row::Key& each) { return each.key.access_key == key; });
    if (gone == row.keys.end()) return Failure(S3Error::no_such_key, "the user has no such key");
    row.keys.erase(gone);
    return done();
  };
  co_return co_await change(std::move(name), how, std::move(access_key), {});
}

Task<Outcome<>> UserRegistry::put_policy(std::string name, std::string policy, std::string text) {
  if (!is_user_name(policy)) co_return wrong("a policy's name has 1 to 64 letters, digits and + = , . @ _ -");
  const Policy::Kind kind;
  if (auto parsed = Policy::parse(text, kind); !parsed) co_return wrong(std::string(parsed.error().message()));
  const Change how = [](Row& row, const std::string& policy_name, const std::string& document) -> Outcome<> {
    row.user.policies[policy_name] = document;
    if (row.user.policies.size() <= kUserPoliciesMax) return done();
    return wrong("a user has at most " + std::to_string(kUserPoliciesMax) + " policies");
  };
  co_return co_await change(std::move(name), how, std::move(policy), std::move(text));
}

Task<Outcome<>> UserRegistry::remove_policy(std::string name, std::string policy) {
  const Change how = [](Row& row, const std::string& policy_name, const std::string&) -> Outcome<> {
    if (row.user.policies.erase(policy_name) > 0) return done();
    return Failure(S3Error::no_such_key, "the user has no such policy");
  };
  co_return co_await change(std::move(name), how, std::move(policy), {});
}

}  // namespace api
