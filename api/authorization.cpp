#include "api/authorization.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "api/access/bucket_access.h"
#include "api/access/call_facts.h"
#include "api/ascii.h"
#include "api/call.h"
#include "api/encoding.h"
#include "api/limits.h"
#include "api/operations/operations.h"
#include "api/user_directory.h"
#include "storage/base/log.h"

namespace api {

using storage::BucketInfo;
using storage::ObjectInfo;
using storage::Task;

// Parsed policies by bucket. A slot holds one: buckets that share a slot replace each other, which costs a parse.
struct Authorizer::PolicyCache {
  struct Slot {
    std::uint64_t id = 0;
    std::uint64_t revision = 0;
    std::shared_ptr<const Policy> policy;
  };
  std::mutex mutex;
  std::array<Slot, 512> slots;
};

struct Authorizer::Decision {
  Access access = Access::denied;
  bool by_policy = false;  // a policy said so, not ownership and no access control list
  Judgement judgement;     // of the policy that allowed
};

namespace {

Failure denied() { return S3Error::access_denied; }

bool is_policy_action(Action action) {
  return action == Action::get_bucket_policy || action == Action::put_bucket_policy ||
         action == Action::delete_bucket_policy;
}

// Actions on a version that exists, which has an owner and tags of its own; the others are the bucket owner's to give.
bool is_about_version(Action action) {
  switch (action) {
    case Action::abort_multipart_upload:
    case Action::bypass_governance_retention:
    case Action::delete_object:
    case Action::delete_object_version:
    case Action::list_multipart_upload_parts:
    case Action::put_object:
    case Action::none:
      return false;
    default:
      return is_object_action(action);
  }
}

AclCaller caller_of(const Call& call, const PublicBlock& block) {
  return {call.user().id, call.anonymous(), block.ignore_public_acls};
}

bool asks_to_bypass(const Call& call) {
  return equals_caseless(call.header("x-amz-bypass-governance-retention").value_or(""), "true");
}

bool has_acl_header(const Call& call) {
  constexpr std::string_view kNames[] = {"x-amz-acl", "x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp",
                                         "x-amz-grant-write", "x-amz-grant-write-acp"};
  for (const std::string_view name : kNames) {
    if (call.header(name)) return true;
  }
  return false;
}

bool is_missing(const storage::Error& error) {
  return error == storage::Errc::not_found || error == storage::Errc::version_not_found;
}

}  // namespace

Authorizer::Authorizer(const UserDirectory& users) : users_(users), cache_(std::make_unique<PolicyCache>()) {}
Authorizer::~Authorizer() = default;

Outcome<std::shared_ptr<const Policy>> Authorizer::policy_of(const BucketInfo& bucket) const {
  const std::string_view text = bucket_setting(bucket, kPolicySetting);
  if (text.empty()) return std::shared_ptr<const Policy>();
  PolicyCache::Slot& slot = cache_->slots[bucket.id % cache_->slots.size()];
  {
    const std::lock_guard lock(cache_->mutex);
    if (slot.id == bucket.id && slot.revision == bucket.revision && slot.policy) return slot.policy;
  }
  // Users named in it may have gone since it was put.
  Policy::Kind kind;
  kind.bucket = bucket.name;
  kind.known_user = [](std::string_view) { return true; };
  auto parsed = Policy::parse(text, kind);
  if (!parsed) {
    storage::log_error("policy_unreadable", {{"bucket", bucket.name}, {"why", parsed.error().message()}});
    return S3Error::internal_error;
  }
  const std::lock_guard lock(cache_->mutex);
  slot = {bucket.id, bucket.revision, *parsed};
  return *parsed;
}

Authorizer::Decision Authorizer::decide(const Call& call, const AccessWish& wish) const {
  const BucketInfo& bucket = *wish.bucket;
  const Principal* const principal = call.principal();
  const bool owns = principal != nullptr && principal->id == bucket.owner_id;
  Decision decision;
  auto policy = policy_of(bucket);
  // A policy that nobody can read may deny anything: only its owner gets by, to replace it.
  if (!policy) {
    decision.access = owns && is_policy_action(wish.action) ? Access::allowed : Access::denied;
    return decision;
  }
  const bool limited = principal != nullptr && (principal->restricted() || principal->session_policy != nullptr);
  if (*policy == nullptr && !limited) return decide_by_right(call, wish, nullptr, {});

  const CallFacts facts(call, wish.bucket, wish.object, wish.request_tags);
  std::string resource = bucket.name;
  if (is_object_action(wish.action)) resource.append("/").append(wish.key);
  const PolicyQuestion question{principal, wish.action, resource, facts};
  bool ask_object = false;
  const auto judge = [&](const Policy& of) {
    ask_object = ask_object || (!wish.object_known && of.asks_object_tags(wish.action));
    return of.judge(question);
  };
  const Judgement by_bucket = *policy != nullptr ? judge(**policy) : Judgement();
  Judgement by_user;
  Judgement by_session;
  if (principal != nullptr) {
    for (const auto& each : principal->policies) {
      const Judgement one = judge(*each);
      if (one.verdict > by_user.verdict) by_user.verdict = one.verdict;
      by_user.named_tags = by_user.named_tags || one.named_tags;
      by_user.named_acl = by_user.named_acl || one.named_acl;
    }
    if (principal->session_policy != nullptr) by_session = judge(*principal->session_policy);
  }
  if (ask_object) {
    decision.access = Access::ask_object;
    return decision;
  }
  decision.judgement.verdict = Verdict::deny;
  if (by_user.verdict == Verdict::deny || by_session.verdict == Verdict::deny) return decision;
  const bool keeps_policy = owns && !limited && is_policy_action(wish.action);
  if (by_bucket.verdict == Verdict::deny && !keeps_policy) return decision;
  decision.judgement.verdict = Verdict::none;
  if (principal != nullptr && principal->session_policy != nullptr && by_session.verdict != Verdict::allow) return decision;
  if (by_user.verdict == Verdict::allow) {
    decision = {Access::allowed, true, by_user};
    return decision;
  }
  return decide_by_right(call, wish, policy->get(), by_bucket);
}

// By the bucket's policy, by ownership, by an access control list; nothing denied.
Authorizer::Decision Authorizer::decide_by_right(const Call& call, const AccessWish& wish, const Policy* policy,
                                                 const Judgement& by_bucket) const {
  const BucketInfo& bucket = *wish.bucket;
  const Principal* const principal = call.principal();
  const PublicBlock block = public_block_of(bucket);
  const bool owns = principal != nullptr && principal->id == bucket.owner_id;
  const bool restricted = principal != nullptr && principal->restricted();
  const bool by_policy = by_bucket.verdict == Verdict::allow &&
                         !(block.restrict_public_buckets && policy->is_public() && !owns);
  Decision decision;
  const auto allow = [&](bool is) {
    decision.access = is ? Access::allowed : Access::denied;
    return decision;
  };
  if (!is_about_version(wish.action)) {
    if (by_policy) {
      decision = {Access::allowed, true, by_bucket};
      return decision;
    }
    if (owns && restricted) return allow(false);
    if (wish.acl != AclOf::bucket) return allow(owns);
    if (wish.action == Action::delete_object_version && !owns) return allow(false);
    return allow(acl_allows(acl_text_of(bucket), bucket.owner_id, wish.permission, caller_of(call, block)));
  }
  const bool enforced = ownership_of(bucket) == Ownership::bucket_owner_enforced;
  if (!wish.object_known && !enforced) {
    decision.access = Access::ask_object;
    return decision;
  }
  const std::string_view owner = wish.object != nullptr ? owner_of(bucket, *wish.object) : std::string_view(bucket.owner_id);
  // What others wrote here is not the bucket owner's to give away.
  if (by_policy && owner == bucket.owner_id) {
    decision = {Access::allowed, true, by_bucket};
    return decision;
  }
  const bool owns_version = principal != nullptr && principal->id == owner;
  if (restricted && (owns || owns_version)) return allow(false);
  if (wish.acl != AclOf::object) return allow(owns || owns_version);
  const std::string_view acl = wish.object != nullptr ? acl_text_of(bucket, *wish.object) : std::string_view();
  return allow(acl_allows(acl, owner, wish.permission, caller_of(call, block)));
}

Outcome<> Authorizer::check(const Call& call, const AccessWish& wish) const {
  if (decide(call, wish).access == Access::allowed) return done();
  return denied();
}

AccessWish Authorizer::wish_of(const Call& call) const {
  const OperationRule& rule = rule_of(*call.route);
  const bool by_version = rule.version_action != Action::none && call.target.has("versionId");
  AccessWish wish;
  wish.action = by_version ? rule.version_action : rule.action;
  wish.acl = rule.acl;
  wish.permission = rule.permission;
  wish.bucket = call.bucket.get();
  wish.key = call.target.key;
  return wish;
}

bool Authorizer::may_list(const Call& call, const BucketInfo& bucket) const {
  AccessWish wish;
  wish.action = Action::list_bucket;
  wish.acl = AclOf::bucket;
  wish.permission = Permission::read;
  wish.bucket = &bucket;
  return decide(call, wish).access == Access::allowed;
}

Failure Authorizer::hide_missing(const Call& call, const BucketInfo& bucket, Failure failure) const {
  // A delete marker that is asked for by its id is 405: it says as much.
  const bool missing = failure.error() == S3Error::no_such_key || failure.error() == S3Error::no_such_version ||
                       failure.error() == S3Error::method_not_allowed;
  if (!missing || may_list(call, bucket)) return failure;
  return denied();
}

// What has no bucket yet, or is about all of them.
Outcome<> Authorizer::authorize_service(const Call& call) const {
  const OperationRule& rule = rule_of(*call.route);
  // Nobody owns nothing: the list is empty, and that is no secret.
  if (call.anonymous()) return rule.action == Action::list_all_my_buckets ? done() : Outcome<>(denied());
  BucketInfo own;
  own.name = call.target.bucket.empty() ? "*" : call.target.bucket;
  own.owner_id = call.user().id;
  AccessWish wish = wish_of(call);
  wish.bucket = &own;
  return check(call, wish);
}

// What a write needs beside s3:PutObject when a policy let it in: leave for its tags, its access control list, its lock. A
// statement that asks about the tags or the list of the request speaks for them as well.
Outcome<> Authorizer::check_extras(const Call& call, const Decision& decision) const {
  AccessWish wish = wish_of(call);
  wish.acl = AclOf::nobody;
  wish.object_known = true;
  const auto needs = [&](Action action, bool spoken_for) {
    wish.action = action;
    const Decision extra = decide(call, wish);
    return extra.access == Access::allowed || (spoken_for && extra.judgement.verdict != Verdict::deny);
  };
  if (asks_to_bypass(call) && is_object_action(wish.action)) {
    wish.acl = AclOf::nobody;
    if (!needs(Action::bypass_governance_retention, false)) return denied();
  }
  const OperationRule& rule = rule_of(*call.route);
  if (rule.operation == "GetObjectAttributes" && decision.by_policy) {
    const bool by_version = call.target.has("versionId");
    if (!needs(by_version ? Action::get_object_version_attributes : Action::get_object_attributes, false)) return denied();
  }
  if (rule.action != Action::put_object || !decision.by_policy) return done();
  if (call.header("x-amz-tagging") && !needs(Action::put_object_tagging, decision.judgement.named_tags)) return denied();
  if (has_acl_header(call) && !needs(Action::put_object_acl, decision.judgement.named_acl)) return denied();
  if ((call.header("x-amz-object-lock-mode") || call.header("x-amz-object-lock-retain-until-date")) &&
      !needs(Action::put_object_retention, false)) {
    return denied();
  }
  if (call.header("x-amz-object-lock-legal-hold") && !needs(Action::put_object_legal_hold, false)) return denied();
  return done();
}

// Reads of a version ask its own access control list and tags, so it is looked up first.
Task<Outcome<>> Authorizer::authorize_object(Call& call, AccessWish wish) const {
  const std::string version(call.target.parameter("versionId").value_or(""));
  const auto info = co_await call.store.head(call.object_key(), version);
  if (!info && !is_missing(info.error())) co_return info.error();
  const bool there = info && !(*info)->delete_marker;
  wish.object_known = true;
  wish.object = there ? info->get() : nullptr;
  if (there) call.authorized_version = *info;
  // The tags that a policy asks about are in the body: check_tags() decides when they are known.
  if (there && call.route->handler == &put_object_tagging && asks_request_tags(call, wish)) {
    call.tags_check_pending = true;
    co_return done();
  }
  const Decision decision = decide(call, wish);
  if (decision.access == Access::allowed) co_return check_extras(call, decision);
  // Who may list learns from the operation that there is no such key.
  if (!there && may_list(call, *wish.bucket)) co_return done();
  co_return denied();
}

// Who began an upload may look at it and give it up.
Task<Outcome<>> Authorizer::authorize_initiator(Call& call) const {
  const Principal* const principal = call.principal();
  if (principal == nullptr || principal->restricted() || principal->session_policy != nullptr) co_return denied();
  const std::string id(call.target.parameter("uploadId").value_or(""));
  if (id.empty() || id.size() > kUploadIdBytesMax) co_return denied();
  const auto upload = co_await call.store.upload(call.object_key(), id);
  if (!upload || upload->options.initiator_id != principal->id) co_return denied();
  co_return done();
}

Task<Outcome<>> Authorizer::authorize(Call& call) const {
  if (!call.route->needs_bucket) co_return authorize_service(call);
  const AccessWish wish = wish_of(call);
  if (call.route->scope == Scope::virtual_object) co_return check_virtual(call, wish.action, wish.key);
  // The tags to be put are in the body, and what a policy thinks of them is not known before.
  if (call.route->handler == &put_object_tagging && asks_request_tags(call, wish)) {
    co_return co_await authorize_object(call, wish);
  }
  const Decision decision = decide(call, wish);
  if (decision.access == Access::allowed) co_return check_extras(call, decision);
  if (decision.access == Access::ask_object) {
    if (call.route->handler == &get_object) {
      call.version_check_pending = true;
      co_return done();
    }
    co_return co_await authorize_object(call, wish);
  }
  const bool refused = decision.judgement.verdict == Verdict::deny;
  if (!refused && (wish.action == Action::abort_multipart_upload || wish.action == Action::list_multipart_upload_parts)) {
    co_return co_await authorize_initiator(call);
  }
  // A policy may allow some keys of many: each is decided when its name is known.
  if (call.route->handler == &delete_objects && could_be_allowed(call, wish)) co_return done();
  co_return Failure(denied()).with_header("x-amz-bucket-region", call.region());
}

Outcome<> Authorizer::check_virtual(const Call& call, Action action, std::string_view key) const {
  AccessWish wish;
  wish.action = action;
  wish.bucket = call.bucket.get();
  wish.key = key;
  wish.object_known = true;  // it has neither tags nor an owner of its own
  const Decision decision = decide(call, wish);
  if (decision.access != Access::allowed) return denied();
  if (action == Action::get_object) return may_list(call, *wish.bucket) ? done() : Outcome<>(denied());
  const Principal* const principal = call.principal();
  const bool owns = principal != nullptr && principal->id == wish.bucket->owner_id;
  return owns || decision.judgement.named_virtual ? done() : Outcome<>(denied());
}

std::function<bool(const ObjectInfo&)> Authorizer::reader(const Call& call) const {
  const BucketInfo& bucket = *call.bucket;
  const Principal* const principal = call.principal();
  const bool plain = principal != nullptr && !principal->restricted() && principal->session_policy == nullptr;
  const bool granted = !bucket_setting(bucket, kAclSetting).empty() && ownership_of(bucket) != Ownership::bucket_owner_enforced;
  if (plain && principal->id == bucket.owner_id && !granted && bucket_setting(bucket, kPolicySetting).empty()) return {};
  return [this, &call](const ObjectInfo& info) {
    AccessWish wish;
    wish.action = Action::get_object;
    wish.acl = AclOf::object;
    wish.permission = Permission::read;
    wish.bucket = call.bucket.get();
    wish.key = info.key;
    wish.object = &info;
    wish.object_known = true;
    return decide(call, wish).access == Access::allowed;
  };
}

bool Authorizer::could_be_allowed(const Call& call, const AccessWish& wish) const {
  const Principal* const principal = call.principal();
  if (principal != nullptr && !principal->restricted() && principal->id == wish.bucket->owner_id) return true;
  const auto policy = policy_of(*wish.bucket);
  if (policy && *policy != nullptr && (*policy)->could_allow(principal, wish.action)) return true;
  return principal != nullptr &&
         std::any_of(principal->policies.begin(), principal->policies.end(),
                     [&](const auto& each) { return each->could_allow(principal, wish.action); });
}

Outcome<> Authorizer::authorize_cached(Call& call, const BucketInfo& bucket, const ObjectInfo& info) const {
  const Principal* const principal = call.principal();
  const bool plain = principal != nullptr && !principal->restricted() && principal->session_policy == nullptr;
  // The owner's own object in a bucket without policy: nothing to ask.
  if (plain && principal->id == bucket.owner_id && info.controls.acl.empty() &&
      (info.controls.owner_id.empty() || info.controls.owner_id == bucket.owner_id) &&
      bucket_setting(bucket, kPolicySetting).empty()) {
    return done();
  }
  AccessWish wish = wish_of(call);
  wish.bucket = &bucket;
  wish.object = &info;
  wish.object_known = true;
  return check(call, wish);
}

Outcome<> Authorizer::check_version(Call& call, const ObjectInfo& info) const {
  if (!call.version_check_pending) return done();
  call.version_check_pending = false;
  AccessWish wish = wish_of(call);
  wish.object = &info;
  wish.object_known = true;
  return check(call, wish);
}

Outcome<> Authorizer::check_removal(const Call& call, std::string_view key, std::string_view version_id) const {
  AccessWish wish;
  wish.action = version_id.empty() ? Action::delete_object : Action::delete_object_version;
  wish.acl = AclOf::bucket;
  wish.permission = Permission::write;
  wish.bucket = call.bucket.get();
  wish.key = key;
  if (auto allowed = check(call, wish); !allowed) return allowed;
  if (!asks_to_bypass(call)) return done();
  wish.action = Action::bypass_governance_retention;
  wish.acl = AclOf::nobody;
  return check(call, wish);
}

Outcome<> Authorizer::check_source(const Call& call, const BucketInfo& bucket, std::string_view key, bool by_version,
                                   const ObjectInfo& info) const {
  AccessWish wish;
  wish.action = by_version ? Action::get_object_version : Action::get_object;
  wish.acl = AclOf::object;
  wish.permission = Permission::read;
  wish.bucket = &bucket;
  wish.key = key;
  wish.object = &info;
  wish.object_known = true;
  return check(call, wish);
}

bool Authorizer::asks_request_tags(const Call& call, const AccessWish& wish) const {
  const auto policy = policy_of(*wish.bucket);
  if (policy && *policy != nullptr && (*policy)->asks_request_tags(wish.action)) return true;
  const Principal* const principal = call.principal();
  if (principal == nullptr) return false;
  if (principal->session_policy != nullptr && principal->session_policy->asks_request_tags(wish.action)) return true;
  return std::any_of(principal->policies.begin(), principal->policies.end(),
                     [&](const auto& each) { return each->asks_request_tags(wish.action); });
}

Outcome<> Authorizer::check_tags(Call& call, const storage::NameValues& tags) const {
  if (!call.tags_check_pending) return done();
  call.tags_check_pending = false;
  AccessWish wish = wish_of(call);
  wish.request_tags = &tags;
  wish.object_known = true;
  wish.object = call.authorized_version.get();
  return check(call, wish);
}

}  // namespace api
