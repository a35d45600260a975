// Any bytes as a form: every step ends, every piece lies inside the buffer, and the cuts do not matter.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "api/form_parser.h"
#include "storage/base/check.h"

namespace {

std::string run(std::string_view body, std::size_t step) {
  api::FormParser parser("XX");
  std::string seen;
  std::size_t at = 0;
  for (;;) {
    switch (parser.next()) {
      case api::FormParser::Step::more: {
        const auto room = parser.room();
        CHECK(!room.empty());
        const std::size_t count = std::min({step, room.size(), body.size() - at});
        if (count == 0) parser.end();
        std::memcpy(room.data(), body.data() + at, count);
        parser.add(count);
        at += count;
        break;
      }
      case api::FormParser::Step::part:
        seen.append("[").append(parser.part().name).append("]");
        break;
      case api::FormParser::Step::bytes:
        seen += parser.piece();
        break;
      case api::FormParser::Step::part_end:
        seen += ';';
        break;
      case api::FormParser::Step::done:
        return seen + "done";
      case api::FormParser::Step::malformed:
        return seen + "malformed";
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  CHECK(run(body, 1) == run(body, 1000));
  [[maybe_unused]] const auto boundary = api::form_boundary(body);
  return 0;
}
