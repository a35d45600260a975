#include "api/user_directory.h"

#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>

#include "api/ascii.h"
#include "api/service.h"

namespace api {
namespace {

// Everything at one point in time. Views are into what the pointers own.
struct Snapshot {
  std::unordered_map<std::string_view, CredentialPtr> by_key;
  std::unordered_map<std::string_view, PrincipalPtr> by_id;
  std::unordered_map<std::string_view, PrincipalPtr> active;  // by id
  std::unordered_map<std::string_view, PrincipalPtr> by_name;

  void add(const CredentialPtr& credential) {
    by_key.emplace(credential->principal->access_key, credential);
    active.emplace(credential->principal->id, credential->principal);
    add(credential->principal);
  }
  void add(const PrincipalPtr& principal) {
    by_id.emplace(principal->id, principal);
    by_name.emplace(principal->name, principal);
  }
};

PrincipalPtr find(const std::unordered_map<std::string_view, PrincipalPtr>& map, std::string_view key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : found->second;
}

}  // namespace

struct UserDirectory::State {
  std::vector<CredentialPtr> configured;
  mutable std::mutex mutex;
  std::shared_ptr<const Snapshot> current;
  std::atomic<std::uint64_t> generation{0};

  std::shared_ptr<const Snapshot> snapshot() const {
    const std::lock_guard lock(mutex);
    return current;
  }
};

std::uint64_t UserDirectory::next_serial() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

UserDirectory::UserDirectory(std::vector<User> configured) : state_(std::make_unique<State>()) {
  for (User& user : configured) {
    auto principal = std::make_shared<Principal>();
    principal->id = user.id;
    principal->name = user.name;
    principal->email = user.email;
    principal->access_key = user.access_key;
    auto credential = std::make_shared<Credential>();
    credential->principal = std::move(principal);
    credential->secret = Secret(user.secret_key);
    credential->serial = next_serial();
    wipe(user.secret_key.data(), user.secret_key.size());
    state_->configured.push_back(std::move(credential));
  }
  replace({}, {});
}

UserDirectory::~UserDirectory() = default;

void UserDirectory::replace(std::vector<CredentialPtr> credentials, std::vector<PrincipalPtr> principals) {
  auto next = std::make_shared<Snapshot>();
  // Configured users first: nothing that comes later takes their keys, ids and names.
  for (const CredentialPtr& credential : state_->configured) next->add(credential);
  for (const CredentialPtr& credential : credentials) next->add(credential);
  for (const PrincipalPtr& principal : principals) next->add(principal);
  const std::lock_guard lock(state_->mutex);
  state_->current = std::move(next);
  state_->generation.fetch_add(1);
}

std::uint64_t UserDirectory::generation() const { return state_->generation.load(); }

CredentialPtr UserDirectory::find_key(std::string_view access_key) const {
  const auto snapshot = state_->snapshot();
  const auto found = snapshot->by_key.find(access_key);
  return found == snapshot->by_key.end() ? nullptr : found->second;
}

bool UserDirectory::knows_id(std::string_view id) const { return state_->snapshot()->by_id.contains(id); }

bool UserDirectory::knows_any(std::string_view text) const {
  const auto snapshot = state_->snapshot();
  return snapshot->by_id.contains(text) || snapshot->by_name.contains(text) || snapshot->by_key.contains(text);
}

PrincipalPtr UserDirectory::find_user(std::string_view id) const { return find(state_->snapshot()->by_id, id); }

PrincipalPtr UserDirectory::find_active(std::string_view id) const { return find(state_->snapshot()->active, id); }

PrincipalPtr UserDirectory::find_name(std::string_view name) const { return find(state_->snapshot()->by_name, name); }

std::optional<std::string> UserDirectory::id_of_email(std::string_view email) const {
  if (email.empty()) return std::nullopt;
  const auto snapshot = state_->snapshot();
  for (const auto& [id, principal] : snapshot->by_id) {
    if (equals_caseless(principal->email, email)) return principal->id;
  }
  return std::nullopt;
}

std::string UserDirectory::display_name(std::string_view id) const {
  const PrincipalPtr found = find_user(id);
  return found ? found->name : std::string();
}

}  // namespace api
