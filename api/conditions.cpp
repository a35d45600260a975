#include "api/conditions.h"

#include "api/ascii.h"
#include "api/http_date.h"

namespace api {
namespace {

struct Names {
  std::string_view if_match;
  std::string_view if_none_match;
  std::string_view if_modified_since;
  std::string_view if_unmodified_since;
};

constexpr Names kReadNames = {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"};
constexpr Names kSourceNames = {"x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match",
                                "x-amz-copy-source-if-modified-since",
                                "x-amz-copy-source-if-unmodified-since"};

constexpr Names kRenameNames = {"x-amz-rename-source-if-match", "x-amz-rename-source-if-none-match",
                                "x-amz-rename-source-if-modified-since",
                                "x-amz-rename-source-if-unmodified-since"};

const Names& names_of(std::string_view prefix) {
  if (prefix.empty()) return kReadNames;
  return prefix == "x-amz-rename-source-" ? kRenameNames : kSourceNames;
}

std::optional<std::int64_t> date_of(std::optional<std::string_view> header) {
  if (!header) return std::nullopt;
  const auto date = parse_http_date(*header);
  return date ? date : parse_iso_date(*header);
}

}  // namespace

std::string_view bare_etag(std::string_view tag) {
  tag = trim(tag);
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
  return tag;
}

bool etag_matches(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    const std::string_view tag = trim(cut(list, ','));
    if (tag == "*" || (!tag.empty() && bare_etag(tag) == etag)) return true;
  }
  return false;
}

ReadVerdict judge_read(const Call& call, std::string_view prefix, const storage::ObjectInfo& info,
                       std::string_view* condition) {
  const Names& names = names_of(prefix);
  const std::int64_t modified_s = info.modified_ms / 1000;
  if (const auto if_match = call.header(names.if_match)) {
    if (!etag_matches(*if_match, info.etag)) {
      *condition = "If-Match";
      return ReadVerdict::precondition_failed;
    }
  } else if (const auto unmodified = date_of(call.header(names.if_unmodified_since))) {
    if (modified_s > *unmodified) {
      *condition = "If-Unmodified-Since";
      return ReadVerdict::precondition_failed;
    }
  }
  if (const auto if_none_match = call.header(names.if_none_match)) {
    if (etag_matches(*if_none_match, info.etag)) {
      *condition = "If-None-Match";
      return ReadVerdict::not_modified;
    }
  } else if (const auto modified = date_of(call.header(names.if_modified_since))) {
    // A date of the future says nothing.
    if (modified_s <= *modified && *modified * 1000 <= call.clock.wall_ms()) {
      *condition = "If-Modified-Since";
      return ReadVerdict::not_modified;
    }
  }
  return ReadVerdict::proceed;
}

Outcome<storage::WriteCondition> write_condition(const Call& call) {
  storage::WriteCondition condition;
  const auto if_none_match = call.request.header("if-none-match");
  const auto if_match = call.request.header("if-match");
  if (if_none_match) {
    if (trim(*if_none_match) != "*") {
      return Failure(S3Error::not_implemented).with("Header", "If-None-Match");
    }
    condition.if_none_match_any = true;
  }
  if (if_match) {
    if (if_none_match || if_match->find(',') != std::string_view::npos) {
      return Failure(S3Error::not_implemented).with("Header", "If-Match");
    }
    condition.if_match = std::string(bare_etag(*if_match));
  }
  return condition;
}

}  // namespace api
