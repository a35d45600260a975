#include "api/access/policy.h"

#include <algorithm>
#include <array>

#include "api/access/network.h"
#include "api/access/policy_statement.h"
#include "api/virtual/virtual_key.h"

namespace api {
namespace {

bool names(const PrincipalPattern& pattern, const Principal* principal) {
  switch (pattern.kind) {
    case PrincipalPattern::Kind::anybody:
      return true;
    case PrincipalPattern::Kind::nobody:
      return false;
    case PrincipalPattern::Kind::user:
      return principal != nullptr &&
             (pattern.name == principal->id || pattern.name == principal->name || pattern.name == principal->access_key);
  }
  return false;
}

// Keys whose fixed values make a wildcard principal less than everybody, by AWS's definition of public.
constexpr std::array<std::string_view, 12> kNarrowing = {
    "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:sourceaccount", "aws:sourcearn",
    "aws:sourceip", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce", "aws:userid", "aws:username",
    "s3:dataaccesspointaccount"};

bool narrows(const Condition& condition) {
  if (condition.negated || condition.if_exists || condition.comparison == Comparison::null ||
      condition.each == Condition::Each::for_all_values) {
    return false;
  }
  if (std::find(kNarrowing.begin(), kNarrowing.end(), condition.key) == kNarrowing.end()) return false;
  return std::all_of(condition.values.begin(), condition.values.end(), [&](const PolicyText& value) {
    if (value.has_wildcards() || value.has_variables()) return false;
    if (condition.comparison != Comparison::ip_address) return true;
    // A network of half of the world and more is no restriction.
    const auto network = parse_network(value.source());
    const bool four = value.source().find(':') == std::string::npos;
    return network && network->bits >= (four ? 96U + 8U : 32U);
  });
}

}  // namespace

Policy::Policy() = default;
Policy::~Policy() = default;

bool Policy::Statement::concerns(const Principal* principal, Action action) const {
  if (!actions.test(static_cast<std::size_t>(action))) return false;
  if (!has_principals) return true;
  const bool named = std::any_of(principals.begin(), principals.end(),
                                 [&](const PrincipalPattern& pattern) { return names(pattern, principal); });
  return named != not_principals;
}

bool Policy::Statement::applies(const PolicyQuestion& question) const {
  if (!concerns(question.principal, question.action)) return false;
  const bool about = std::any_of(resources.begin(), resources.end(), [&](const PolicyText& resource) {
    return resource.matches(question.resource, question.facts);
  });
  if (about == not_resources) return false;
  return std::all_of(conditions.begin(), conditions.end(),
                     [&](const Condition& condition) { return condition.holds(question.facts); });
}

bool Policy::Statement::names_virtual(const PolicyQuestion& question) const {
  const std::size_t slash = question.resource.find('/');
  if (not_resources || slash == std::string_view::npos || !is_virtual_key(question.resource.substr(slash + 1))) return false;
  const std::string_view literal = question.resource.substr(0, slash + 1 + kVirtualPrefix.size());
  return std::any_of(resources.begin(), resources.end(), [&](const PolicyText& resource) {
    return resource.source().starts_with(literal) && resource.matches(question.resource, question.facts);
  });
}

bool Policy::Statement::is_public() const {
  if (!allow || !has_principals) return false;
  const bool everybody = not_principals || std::any_of(principals.begin(), principals.end(), [](const auto& pattern) {
                           return pattern.kind == PrincipalPattern::Kind::anybody;
                         });
  return everybody && std::none_of(conditions.begin(), conditions.end(), narrows);
}

bool Policy::could_allow(const Principal* principal, Action action) const {
  return std::any_of(statements_.begin(), statements_.end(), [&](const Statement& statement) {
    return statement.allow && statement.concerns(principal, action);
  });
}

Judgement Policy::judge(const PolicyQuestion& question) const {
  Judgement judgement;
  for (const Statement& statement : statements_) {
    // A second allowing statement still counts: it may name what the first does not.
    if (!statement.applies(question)) continue;
    if (!statement.allow) {
      judgement.verdict = Verdict::deny;
      return judgement;
    }
    judgement.verdict = Verdict::allow;
    judgement.named_virtual = judgement.named_virtual || statement.names_virtual(question);
    for (const Condition& condition : statement.conditions) {
      const std::string_view key = condition.key;
      judgement.named_tags = judgement.named_tags || key.starts_with("s3:requestobjecttag");
      judgement.named_acl = judgement.named_acl || key == "s3:x-amz-acl" || key.starts_with("s3:x-amz-grant-");
    }
  }
  return judgement;
}

}  // namespace api
