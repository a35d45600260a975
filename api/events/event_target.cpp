#include "api/events/event_target.h"

#include <algorithm>

#include "api/ascii.h"

namespace api {

std::string_view kind_name(EventTargetKind kind) {
  switch (kind) {
    case EventTargetKind::webhook:
      return "webhook";
    case EventTargetKind::directory:
      return "directory";
  }
  return {};
}

bool is_target_name(std::string_view name) {
  constexpr std::size_t kNameBytesMax = 64;
  return !name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), [](char c) {
    return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'z') || c == '-' || c == '_' || c == '.';
  });
}

std::optional<TargetArn> parse_target_arn(std::string_view text) {
  TargetArn arn;
  if (std::count(text.begin(), text.end(), ':') < 5 || cut(text, ':') != "arn") return std::nullopt;
  arn.partition = cut(text, ':');
  arn.service = cut(text, ':');
  arn.region = cut(text, ':');
  arn.name = cut(text, ':');
  arn.kind = text;
  if (arn.partition.empty() || arn.service.empty() || arn.kind.empty()) return std::nullopt;
  return arn;
}

std::optional<std::size_t> find_target(const std::vector<EventTarget>& targets, std::string_view arn) {
  const auto parsed = parse_target_arn(arn);
  if (!parsed || (parsed->partition != "granary" && parsed->partition != "minio")) return std::nullopt;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (targets[i].name == parsed->name && kind_name(targets[i].kind) == parsed->kind) return i;
  }
  return std::nullopt;
}

}  // namespace api
