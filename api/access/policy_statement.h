// The inside of Policy, shared by its parser and its judge.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/access/policy.h"

namespace api {

// One entry of a Principal element.
struct PrincipalPattern {
  enum class Kind : std::uint8_t { anybody, user, nobody };  // nobody: services and the like, who never sign here
  Kind kind = Kind::nobody;
  std::string name;  // of a user: id, name or access key
};

struct Policy::Statement {
  bool allow = false;
  bool has_principals = false;
  bool not_principals = false;
  std::vector<PrincipalPattern> principals;
  ActionSet actions;  // NotAction already turned round
  bool not_resources = false;
  std::vector<PolicyText> resources;  // without "arn:aws:s3:::"
  std::vector<Condition> conditions;

  bool concerns(const Principal* principal, Action action) const;
  bool applies(const PolicyQuestion& question) const;
  // Of a statement that applies to a virtual object: whether a resource of it says so, not a wildcard.
  bool names_virtual(const PolicyQuestion& question) const;
  // Whether the statement is about everybody, with no condition that narrows it to fixed values.
  bool is_public() const;
};

}  // namespace api
