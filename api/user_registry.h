// UserRegistry: users that live in the metadata store, beside those of the configuration. The operator's side of them: who may
// change what is the admin interface's to decide.
//
// Durability  a call that changes something returns after its row is durable; the directory knows it before the call returns.
// Threads     any; changes of one user at once: one wins, the others are told to try again.
// Secrets     secret keys are stored sealed (secret_box.h) and shown once, when they are made.
// Format      registry table "users": the name -> JSON {"format", "id", "email", "created_ms", "enabled", "keys": [{"access_key",
//             "created_ms", "sealed" (base64)}], "policies": {NAME: text}}. A sealed secret is about "user\nID\nACCESSKEY".
// Errors      Outcome's Failure is only a sentence here: its code tells invalid_argument (the caller's fault), no_such_key (no
//             such user, key or policy), operation_aborted (somebody else was faster), invalid_request (no secrets key), else
//             what the store said.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/error_table.h"
#include "storage/object_store.h"

namespace api {

class SecretBox;
class UserDirectory;

inline constexpr std::size_t kUsersMax = 10'000;
inline constexpr std::size_t kUserKeysMax = 10;
inline constexpr std::size_t kUserPoliciesMax = 10;

struct UserKey {
  std::string access_key;
  std::int64_t created_ms = 0;
};

struct UserEntry {
  std::string name;
  std::string id;
  std::string email;
  std::int64_t created_ms = 0;
  bool enabled = true;
  std::vector<UserKey> keys;
  std::map<std::string, std::string> policies;  // by name
};

// A key as it is shown once.
struct NewUserKey {
  std::string id;  // of the user
  std::string access_key;
  std::string secret_key;
};

class UserRegistry {
 public:
  UserRegistry(storage::ObjectStore& store, storage::Clock& clock, const SecretBox& box, UserDirectory& directory);
  ~UserRegistry();

  // Reads all users into the directory. A user whose secrets do not open is known by name and cannot sign.
  storage::Task<storage::Result<>> load();

  storage::Task<Outcome<std::vector<UserEntry>>> list();
  storage::Task<Outcome<UserEntry>> get(std::string name);
  // A new user with a first key. `name`: 1..64 of letters, digits and + = , . @ _ -; `email` may be empty.
  storage::Task<Outcome<NewUserKey>> add(std::string name, std::string email);
  storage::Task<Outcome<>> set_enabled(std::string name, bool enabled);
  // What the user owns stays, and nobody's but the operator's until a user of that id comes back.
  storage::Task<Outcome<>> remove(std::string name);
  storage::Task<Outcome<NewUserKey>> add_key(std::string name);
  storage::Task<Outcome<>> remove_key(std::string name, std::string access_key);
  // AWS's policy language, without principals.
  storage::Task<Outcome<>> put_policy(std::string name, std::string policy, std::string text);
  storage::Task<Outcome<>> remove_policy(std::string name, std::string policy);

 private:
  struct Row;
  using Change = Outcome<> (*)(Row& row, const std::string& first, const std::string& second);
  storage::Task<Outcome<Row>> find(std::string name);
  storage::Task<Outcome<>> write(Row row);
  storage::Task<Outcome<>> change(std::string name, Change how, std::string first, std::string second);
  storage::Task<storage::Result<std::vector<Row>>> read_all();
  Outcome<NewUserKey> make_key(Row& row) const;
  static UserEntry entry_of(const Row& row);

  storage::ObjectStore& store_;
  storage::Clock& clock_;
  const SecretBox& box_;
  UserDirectory& directory_;
  std::mutex mutex_;
  std::uint64_t loads_ = 0;   // begun
  std::uint64_t loaded_ = 0;  // the latest begun that the directory has
};

}  // namespace api
