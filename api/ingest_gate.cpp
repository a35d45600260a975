#include "api/ingest_gate.h"

#include "api/bucket_settings.h"
#include "api/virtual/virtual_key.h"

namespace api {

IngestGate::IngestGate(const Call& call) : key_(call.target.key) {
  if (call.bucket != nullptr && call.settings != nullptr) rules_ = call.settings->ingest_rules.get(*call.bucket);
  // What is on its way to become a virtual object is none of the bucket's.
  if (rules_ != nullptr && (rules_->empty() || is_virtual_key(key_))) rules_ = nullptr;
}

storage::RuleJudge IngestGate::judge() {
  if (rules_ == nullptr) return {};
  return [this](std::uint64_t size) -> storage::Result<storage::RuleLabels> {
    IngestRules::Judgement judgement = rules_->judge(key_, size, true);
    if (judgement.refusal.empty()) return std::move(judgement.labels);
    refusal_ = std::move(judgement.refusal);
    return make_error_code(S3Error::invalid_request);
  };
}

std::optional<Failure> IngestGate::refusal() const {
  if (refusal_.empty()) return std::nullopt;
  return Failure(S3Error::invalid_request, refusal_);
}

}  // namespace api
