// Policy documents, and what they say about a request: neither may crash, nor take long.
#include <cstdint>
#include <string_view>

#include "api/access/policy.h"

namespace {

// Every fact is what is asked for: so patterns, numbers, dates and networks all see odd texts.
class EchoingFacts final : public api::RequestFacts {
 public:
  std::vector<std::string> values(std::string_view key) const override { return {std::string(key), "192.0.2.1", "7"}; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  api::Policy::Kind bucket;
  bucket.bucket = "bkt";
  bucket.known_user = [](std::string_view) { return true; };
  const api::Policy::Kind user;
  const EchoingFacts facts;
  for (const api::Policy::Kind& kind : {bucket, user}) {
    const auto policy = api::Policy::parse(text, kind);
    if (!policy) continue;
    (*policy)->judge({nullptr, api::Action::get_object, "bkt/key/of/some/length.txt", facts});
    (*policy)->judge({nullptr, api::Action::list_bucket, "bkt", facts});
  }
  return 0;
}
