// Policy: a document of AWS's policy language, checked and made ready to judge requests.
//
// Threads  immutable; any number of requests judge with it at once.
// Cost     parse() reads at most kPolicyBytesMax; judge() is bounded by that times the length of what the request says.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/access/action.h"
#include "api/access/condition.h"
#include "api/access/principal.h"
#include "api/error_table.h"

namespace api {

inline constexpr std::size_t kPolicyBytesMax = 20 * 1024;

enum class Verdict : std::uint8_t { none, allow, deny };

// Families of facts that the allowing statements asked about.
struct Judgement {
  Verdict verdict = Verdict::none;
  bool named_tags = false;  // s3:RequestObjectTag...
  bool named_acl = false;   // s3:x-amz-acl, s3:x-amz-grant-...
  bool named_virtual = false;  // an allowing statement names BUCKET/.granary/ literally as (the beginning of) its resource
};

struct PolicyQuestion {
  const Principal* principal = nullptr;  // null: anonymous
  Action action = Action::none;
  std::string_view resource;  // BUCKET or BUCKET/KEY; "*" for the service
  const RequestFacts& facts;
};

class Policy {
 public:
  struct Kind {
    std::string_view bucket;  // of a bucket's policy, which has principals; empty: of a user or a session
    // Whether there is a user of that id, name or access key. Of buckets' policies.
    std::function<bool(std::string_view)> known_user;
  };

  // Errors: MalformedPolicy with AWS's sentences.
  static Outcome<std::shared_ptr<const Policy>> parse(std::string_view text, const Kind& kind);
  ~Policy();

  // Deny goes before allow.
  Judgement judge(const PolicyQuestion& question) const;

  // Whether a statement allows `action` to that principal for some resource, under some conditions.
  bool could_allow(const Principal* principal, Action action) const;

  // Whether it allows anything to everybody, by AWS's rule: a wildcard principal that no condition narrows to fixed values.
  bool is_public() const { return public_; }
  // Whether an answer about `action` may need the tags of the object, or those that the request would set.
  bool asks_object_tags(Action action) const { return object_tags_.test(static_cast<std::size_t>(action)); }
  bool asks_request_tags(Action action) const { return request_tags_.test(static_cast<std::size_t>(action)); }

 private:
  friend class PolicyParser;
  struct Statement;
  Policy();

  std::vector<Statement> statements_;
  bool public_ = false;
  ActionSet object_tags_;
  ActionSet request_tags_;
};

}  // namespace api
