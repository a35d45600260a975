// Authorization: the one place that decides who may do what, from (principal, action, resource, context).
//
// Order     an explicit Deny of any policy that concerns the caller refuses; then a session policy must allow; then a policy
//           of the user, the bucket's policy, ownership or an access control list must allow. The owner of a bucket may
//           always read, put and delete its policy.
// Threads   any; the cache of parsed policies has a lock of its own.
// Lifetime  the store, the clock and the directory outlive it; a call's functions are used while the call runs.
// Cost      an owner without policies in a bucket without one: some comparisons. A bucket's policy is parsed once for every
//           change of the bucket.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "api/access/acl.h"
#include "api/access/operation_rules.h"
#include "api/access/policy.h"
#include "api/error_table.h"
#include "storage/object_store.h"

namespace api {

struct Call;
class UserDirectory;

// Something to be done to something, other than what the route says.
struct AccessWish {
  Action action = Action::none;
  AclOf acl = AclOf::nobody;
  Permission permission = Permission::none;
  const storage::BucketInfo* bucket = nullptr;
  std::string_view key;
  const storage::ObjectInfo* object = nullptr;          // the version at hand
  bool object_known = false;                            // `object` is all that is there to know, null too
  const storage::NameValues* request_tags = nullptr;    // of a body; null: those of the x-amz-tagging header
};

class Authorizer {
 public:
  explicit Authorizer(const UserDirectory& users);
  ~Authorizer();

  // Whether the caller may do what the route means. Once a call, before the body is read and before any effect. Leaves
  // `call.version_check_pending` set where the version's access control list must be asked once it is open: the handler
  // then calls check_version(). Errors: AccessDenied, those of the store.
  storage::Task<Outcome<>> authorize(Call& call) const;

  // The same for a GET of an object that was found in memory, without a suspension.
  Outcome<> authorize_cached(Call& call, const storage::BucketInfo& bucket, const storage::ObjectInfo& info) const;

  // The second half of authorize(), with the version that was opened.
  Outcome<> check_version(Call& call, const storage::ObjectInfo& info) const;

  // A key of DeleteObjects. `version_id` empty: the key itself.
  Outcome<> check_removal(const Call& call, std::string_view key, std::string_view version_id) const;

  // A virtual object of the call's bucket: to read it (get_object) takes the right to list the bucket as well, to write it
  // (put_object, delete_object) ownership or a statement that names BUCKET/.granary/ literally.
  Outcome<> check_virtual(const Call& call, Action action, std::string_view key) const;

  // Which versions of the call's bucket its caller may get, each judged by its key, tags and grants; null: all of them. The call
  // outlives it. What others wrote into a bucket that has neither a policy nor grants any more counts as its owner's.
  std::function<bool(const storage::ObjectInfo&)> reader(const Call& call) const;

  // Reading the source of a copy, which is open; and what to say when it is not there.
  Outcome<> check_source(const Call& call, const storage::BucketInfo& bucket, std::string_view key, bool by_version,
                         const storage::ObjectInfo& info) const;

  // Tags that arrived in a body, of PutObjectTagging: where `call.tags_check_pending` is set, nothing is decided before.
  Outcome<> check_tags(Call& call, const storage::NameValues& tags) const;

  // Who may not list a bucket does not learn which keys are absent: NoSuchKey and NoSuchVersion become AccessDenied.
  Failure hide_missing(const Call& call, const storage::BucketInfo& bucket, Failure failure) const;

  // The bucket's policy; null when it has none. Errors: InternalError for a stored text that cannot be read.
  Outcome<std::shared_ptr<const Policy>> policy_of(const storage::BucketInfo& bucket) const;

  const UserDirectory& users() const { return users_; }

 private:
  enum class Access : std::uint8_t { allowed, denied, ask_object };
  struct Decision;
  Decision decide(const Call& call, const AccessWish& wish) const;
  Decision decide_by_right(const Call& call, const AccessWish& wish, const Policy* policy, const Judgement& by_bucket) const;
  Outcome<> check(const Call& call, const AccessWish& wish) const;
  storage::Task<Outcome<>> authorize_object(Call& call, AccessWish wish) const;
  storage::Task<Outcome<>> authorize_initiator(Call& call) const;
  Outcome<> authorize_service(const Call& call) const;
  Outcome<> check_extras(const Call& call, const Decision& decision) const;
  bool may_list(const Call& call, const storage::BucketInfo& bucket) const;
  AccessWish wish_of(const Call& call) const;
  // Whether some key could be allowed that the bucket as such is not.
  bool could_be_allowed(const Call& call, const AccessWish& wish) const;
  bool asks_request_tags(const Call& call, const AccessWish& wish) const;

  const UserDirectory& users_;
  struct PolicyCache;
  std::unique_ptr<PolicyCache> cache_;
};

}  // namespace api
