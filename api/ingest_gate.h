// IngestGate: the rules of a call's bucket on their way to the commit of what the call creates.
//
// Lifetime  lives in the operation's frame until the store's call has returned.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/call.h"
#include "api/ingest_rules.h"

namespace api {

class IngestGate {
 public:
  explicit IngestGate(const Call& call);
  IngestGate(const IngestGate&) = delete;
  IngestGate& operator=(const IngestGate&) = delete;

  // For the store's options; empty where the bucket has no rules.
  storage::RuleJudge judge();
  // Why the object was refused, if it was.
  std::optional<Failure> refusal() const;

 private:
  std::shared_ptr<const IngestRules> rules_;
  std::string key_;
  std::string refusal_;
};

}  // namespace api
