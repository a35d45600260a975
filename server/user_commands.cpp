// granary user ...
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "server/commands.h"

namespace server {
namespace {

using nlohmann::json;

// Calls the store; prints the sentence if it refuses. nullopt then.
std::optional<json> call(const CommandOptions& options, const char* method, const std::string& path, const json& body = {}) {
  json answer;
  std::string why;
  if (admin_call(options.target, method, path, body.is_null() ? std::string() : body.dump(), answer, why)) return answer;
  fmt::print(stderr, "granary: {}\n", why);
  return std::nullopt;
}

std::string path_of(const UserCommand& user, const char* action) { return "/v1/users/" + user.name + "/" + action; }

// A name goes into a path: the store checks it, but it must arrive whole.
bool is_plain(const UserCommand& user) {
  if (!user.name.empty() && user.name.find_first_of("/?# %") == std::string::npos) return true;
  fmt::print(stderr, "granary: \"{}\" is no user name\n", user.name);
  return false;
}

int finish(const CommandOptions& options, const std::optional<json>& answer, const std::string& sentence) {
  if (!answer) return 1;
  fmt::print("{}\n", options.json ? answer->dump(2) : sentence);
  return 0;
}

int show_key(const CommandOptions& options, const std::optional<json>& answer) {
  if (!answer) return 1;
  if (options.json) return finish(options, answer, "");
  fmt::print("id          {}\naccess key  {}\nsecret key  {}\nThe secret key is not shown again.\n",
             answer->at("id").get<std::string>(), answer->at("access_key").get<std::string>(),
             answer->at("secret_key").get<std::string>());
  return 0;
}

int simple(const CommandOptions& options, const UserCommand& user, const char* action, const json& body,
           const std::string& sentence) {
  if (!is_plain(user)) return 1;
  return finish(options, call(options, "POST", path_of(user, action), body), sentence);
}

}  // namespace

int list_users(const CommandOptions& options) {
  const auto answer = call(options, "GET", "/v1/users");
  if (!answer) return 1;
  if (options.json) return finish(options, answer, "");
  fmt::print("{:<20}  {:<8}  {:<20}  {}\n", "NAME", "STATE", "POLICIES", "ACCESS KEYS");
  for (const json& user : answer->at("users")) {
    std::string keys;
    for (const json& key : user.at("keys")) keys += key.at("access_key").get<std::string>() + " ";
    std::string policies;
    for (const json& name : user.at("policies")) policies += name.get<std::string>() + " ";
    fmt::print("{:<20}  {:<8}  {:<20}  {}\n", user.at("name").get<std::string>(),
               user.at("enabled").get<bool>() ? "enabled" : "disabled", policies, keys);
  }
  return 0;
}

int show_user(const CommandOptions& options, const UserCommand& user) {
  if (!is_plain(user)) return 1;
  const auto answer = call(options, "GET", "/v1/users/" + user.name);
  return finish(options, answer, answer ? answer->dump(2) : "");
}

int add_user(const CommandOptions& options, const UserCommand& user) {
  const json body = {{"name", user.name}, {"email", user.email}};
  return show_key(options, call(options, "POST", "/v1/users", body));
}

int enable_user(const CommandOptions& options, const UserCommand& user, bool enabled) {
  return simple(options, user, enabled ? "enable" : "disable", json::object(),
                fmt::format("{} is {} now", user.name, enabled ? "enabled" : "disabled"));
}

int remove_user(const CommandOptions& options, const UserCommand& user) {
  return simple(options, user, "remove", json::object(), fmt::format("{} is gone; what they own stays", user.name));
}

int add_user_key(const CommandOptions& options, const UserCommand& user) {
  if (!is_plain(user)) return 1;
  return show_key(options, call(options, "POST", path_of(user, "keys/add"), json::object()));
}

int remove_user_key(const CommandOptions& options, const UserCommand& user) {
  return simple(options, user, "keys/remove", {{"access_key", user.access_key}}, "the key is gone");
}

int put_user_policy(const CommandOptions& options, const UserCommand& user) {
  std::string document;
  if (user.file == "-") {
    document.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream stream(user.file);
    if (!stream) {
      fmt::print(stderr, "granary: {} cannot be read\n", user.file);
      return 1;
    }
    document.assign(std::istreambuf_iterator<char>(stream), {});
  }
  return simple(options, user, "policies/put", {{"policy", user.policy}, {"document", document}},
                fmt::format("{} may do what their policies allow, and nothing else", user.name));
}

int remove_user_policy(const CommandOptions& options, const UserCommand& user) {
  return simple(options, user, "policies/remove", {{"policy", user.policy}}, "the policy is gone");
}

}  // namespace server
