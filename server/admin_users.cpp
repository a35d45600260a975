#include "server/admin_users.h"

#include <nlohmann/json.hpp>

#include "server/admin_arguments.h"

namespace server {
namespace {

using api::S3Error;
using nlohmann::json;

AdminAnswer refused_by(const api::Failure& failure) {
  unsigned status = 500;
  if (failure.error() == S3Error::invalid_argument || failure.error() == S3Error::invalid_request) status = 400;
  if (failure.error() == S3Error::no_such_key) status = 404;
  if (failure.error() == S3Error::operation_aborted) status = 409;
  return refused(status, std::string(failure.message()));
}

json key_document(const api::NewUserKey& key) {
  return {{"id", key.id}, {"access_key", key.access_key}, {"secret_key", key.secret_key}};
}

// With the texts of the policies only where one user is asked for: those of all may be many megabytes.
json user_document(const api::UserEntry& user, bool texts) {
  json policies = texts ? json(user.policies) : json::array();
  for (const auto& [name, text] : user.policies) {
    if (!texts) policies.push_back(name);
  }
  json keys = json::array();
  for (const api::UserKey& key : user.keys) keys.push_back({{"access_key", key.access_key}, {"created_ms", key.created_ms}});
  return {{"name", user.name},       {"id", user.id},           {"email", user.email},      {"created_ms", user.created_ms},
          {"enabled", user.enabled}, {"keys", std::move(keys)}, {"policies", std::move(policies)}};
}

Task<AdminAnswer> list_users(api::UserRegistry& users) {
  const auto all = co_await users.list();
  if (!all) co_return refused_by(all.error());
  json list = json::array();
  for (const api::UserEntry& user : *all) list.push_back(user_document(user, false));
  const json document = {{"users", std::move(list)}};
  co_return answer_of(document);
}

Task<AdminAnswer> add_user(api::UserRegistry& users, AdminRequest request) {
  Arguments arguments(request.body);
  std::string name = arguments.text("name");
  std::string email = arguments.text("email");
  if (const std::string error = arguments.error(); !error.empty()) co_return refused(400, error);
  const auto key = co_await users.add(std::move(name), std::move(email));
  co_return key ? answer_of(key_document(*key)) : refused_by(key.error());
}

AdminAnswer answer_done(const api::Outcome<>& outcome) {
  if (!outcome) return refused_by(outcome.error());
  return answer_of({{"done", true}});
}

// What stands after /v1/users/NAME/.
Task<AdminAnswer> change_user(api::UserRegistry& users, std::string name, std::string action, AdminRequest request) {
  Arguments arguments(request.body);
  std::string access_key = action == "keys/remove" ? arguments.text("access_key") : std::string();
  std::string policy = action.starts_with("policies/") ? arguments.text("policy") : std::string();
  std::string document = action == "policies/put" ? arguments.text("document") : std::string();
  if (const std::string error = arguments.error(); !error.empty()) co_return refused(400, error);
  if (action == "keys/add") {
    const auto key = co_await users.add_key(std::move(name));
    co_return key ? answer_of(key_document(*key)) : refused_by(key.error());
  }
  api::Outcome<> outcome = api::Failure(S3Error::no_such_key, "there is no such command: " + action);
  if (action == "enable" || action == "disable") {
    outcome = co_await users.set_enabled(std::move(name), action == "enable");
  } else if (action == "remove") {
    outcome = co_await users.remove(std::move(name));
  } else if (action == "keys/remove") {
    outcome = co_await users.remove_key(std::move(name), std::move(access_key));
  } else if (action == "policies/put") {
    outcome = co_await users.put_policy(std::move(name), std::move(policy), std::move(document));
  } else if (action == "policies/remove") {
    outcome = co_await users.remove_policy(std::move(name), std::move(policy));
  }
  co_return answer_done(outcome);
}

}  // namespace

Task<AdminAnswer> handle_users(api::UserRegistry& users, AdminRequest request) {
  constexpr std::string_view kPrefix = "/v1/users";
  const std::string rest = request.path.substr(kPrefix.size());
  if (rest.empty() && request.method == "GET") co_return co_await list_users(users);
  if (rest.empty() && request.method == "POST") co_return co_await add_user(users, std::move(request));
  const std::size_t slash = rest.find('/', 1);
  if (request.method == "GET" && slash == std::string::npos) {
    const auto user = co_await users.get(rest.substr(1));
    co_return user ? answer_of(user_document(*user, true)) : refused_by(user.error());
  }
  if (request.method == "POST" && slash != std::string::npos) {
    co_return co_await change_user(users, rest.substr(1, slash - 1), rest.substr(slash + 1), std::move(request));
  }
  co_return refused(404, "there is no such command: " + request.method + " " + request.path);
}

}  // namespace server
