// Queries: parsing and asking must neither crash nor take long, and errors point into the text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "storage/labels/query.h"

namespace labels = storage::labels;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = labels::parse_query(text);
  if (const auto* error = std::get_if<labels::QueryError>(&parsed)) {
    if (error->column == 0 || error->column > size + 1 || error->expected.empty()) std::abort();
  } else {
    labels::LabelSet set;
    set.add("a", labels::Value(1.0));
    set.add("a", labels::Value("cat"));
    set.add_name("b");
    const labels::ObjectFacts facts{"key", 3, 1'700'000'000'000, "text/plain", "abc"};
    labels::holds(*std::get<labels::QueryPtr>(parsed), set, facts);
  }
  const auto name = labels::take_name(text);
  if (const auto* taken = std::get_if<labels::TakenName>(&name); taken != nullptr && taken->bytes > size) std::abort();
  return 0;
}
