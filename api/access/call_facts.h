// CallFacts: what policies may ask about a call.
//
// Lifetime  the call, the bucket, the version and the tags outlive it.
#pragma once

#include "api/access/condition.h"
#include "storage/object_store.h"

namespace api {

struct Call;

class CallFacts final : public RequestFacts {
 public:
  CallFacts(const Call& call, const storage::BucketInfo* bucket, const storage::ObjectInfo* object,
            const storage::NameValues* request_tags)
      : call_(call), bucket_(bucket), object_(object), request_tags_(request_tags) {}

  std::vector<std::string> values(std::string_view key) const override;

 private:
  std::vector<std::string> global_values(std::string_view name) const;
  std::vector<std::string> s3_values(std::string_view name) const;
  std::vector<std::string> tag_values(std::string_view name) const;

  const Call& call_;
  const storage::BucketInfo* bucket_;
  const storage::ObjectInfo* object_;
  const storage::NameValues* request_tags_;
};

}  // namespace api
