// .granary/query, count, unlabelled: which objects match.
#include "api/virtual/answers.h"
#include "api/ascii.h"

namespace api {

namespace labels = storage::labels;

namespace {

constexpr std::size_t kMatchesPerPiece = 200;

Failure query_failure(const labels::QueryError& error) { return invalid_argument("query", "", error.message()); }

void append_line(std::string& to, const storage::QueryMatch& match) {
  to += "{\"key\":";
  labels::append_json(to, std::string_view(match.info->key));
  to += ",\"version\":";
  labels::append_json(to, std::string_view(match.info->version_id));
  to += ",\"size\":";
  append_decimal(to, match.info->size);
  to += ",\"etag\":";
  labels::append_json(to, std::string_view(match.info->etag));
  to += ",\"modified\":\"";
  to += labels::modified_text(match.info->modified_ms);
  to += "\",\"labels\":";
  to += match.labels.to_json();
  to += "}\n";
}

class MatchLines final : public AnswerText {
 public:
  explicit MatchLines(std::unique_ptr<storage::QueryWalk> walk) : walk_(std::move(walk)) {}

  Task<Outcome<bool>> more(std::string& to) override {
    const auto matches = co_await walk_->next(kMatchesPerPiece);
    if (!matches) co_return Failure(matches.error());
    for (const storage::QueryMatch& match : *matches) append_line(to, match);
    co_return !matches->empty();
  }
  std::string headers() const override { return plan_header(walk_->plan()); }

 private:
  std::unique_ptr<storage::QueryWalk> walk_;
};

Task<Outcome<VirtualContent>> match_lines(Call& call, storage::LabelQuery query) {
  auto walk = co_await call.store.query_walk(call.target.bucket, std::move(query));
  if (!walk) co_return walk.error();
  VirtualContent content;
  content.content_type = kJsonLinesType;
  content.text = std::make_unique<MatchLines>(std::move(*walk));
  co_return std::move(content);
}

}  // namespace

std::string plan_header(std::string_view plan) { return "x-granary-plan: " + std::string(plan) + "\r\n"; }

storage::LabelQuery all_objects(const Call& call) {
  storage::LabelQuery query;
  query.readable = call.authorizer.reader(call);
  return query;
}

Outcome<storage::LabelQuery> parse_label_query(const Call& call, std::string_view text) {
  const auto parsed = labels::parse_query(text);
  if (const auto* error = std::get_if<labels::QueryError>(&parsed)) return query_failure(*error);
  storage::LabelQuery query = all_objects(call);
  query.query = std::get<labels::QueryPtr>(parsed);
  return query;
}

Outcome<std::string> take_label_name(std::string_view& rest) {
  auto taken = labels::take_name(rest);
  if (const auto* error = std::get_if<labels::QueryError>(&taken)) {
    return invalid_argument("name", "", "The name is not valid at column " + std::to_string(error->column) +
                                            ": expected " + error->expected);
  }
  auto& name = std::get<labels::TakenName>(taken);
  rest.remove_prefix(name.bytes);
  if (rest.empty()) return std::move(name.name);
  if (rest.front() != '/' || rest.size() == 1) {
    return invalid_argument("key", "", "The name is not valid: expected its end, or / and more after it");
  }
  rest.remove_prefix(1);
  return std::move(name.name);
}

VirtualContent whole_answer(std::string text) {
  VirtualContent content;
  content.text = std::make_unique<WholeText>(std::move(text));
  return content;
}

Task<Outcome<VirtualContent>> read_query(Call& call, std::string rest) {
  auto query = parse_label_query(call, rest);
  if (!query) co_return query.error();
  co_return co_await match_lines(call, std::move(*query));
}

Task<Outcome<VirtualContent>> read_count(Call& call, std::string rest) {
  auto query = parse_label_query(call, rest);
  if (!query) co_return query.error();
  const auto matches = co_await call.store.query_matches(call.target.bucket, std::move(*query));
  if (!matches) co_return matches.error();
  VirtualContent content = whole_answer("{\"count\": " + std::to_string(matches->count) + "}");
  content.headers = plan_header(matches->plan);
  co_return std::move(content);
}

Task<Outcome<VirtualContent>> read_unlabelled(Call& call, std::string rest) {
  std::string_view left(rest);
  auto name = take_label_name(left);
  if (!name) co_return name.error();
  if (!left.empty()) co_return invalid_argument("key", "", "The name is not valid: expected its end");
  std::vector<labels::QueryNode> nodes(2);
  nodes[0].name = std::move(*name);
  nodes[1].kind = labels::QueryNode::Kind::negation;
  nodes[1].children = {0};
  storage::LabelQuery query = all_objects(call);
  query.query = std::make_shared<const labels::Query>(std::move(nodes), 1U);
  co_return co_await match_lines(call, std::move(query));
}

}  // namespace api
