// .granary/stats and .granary/labels: figures over labels.
#include "api/virtual/answers.h"
#include "api/ascii.h"

namespace api {

namespace labels = storage::labels;

namespace {

constexpr std::uint32_t kNamesPerPiece = 16;

void append_number_or_null(std::string& to, const std::optional<double>& number) {
  if (number) append_number(to, *number);
  else to += "null";
}

void append_summary(std::string& to, const storage::LabelSummary& label) {
  to += "{\"name\":";
  labels::append_json(to, std::string_view(label.name));
  to += ",\"kinds\":[";
  bool first = true;
  const auto kind = [&](bool has, std::string_view name) {
    if (!has) return;
    if (!first) to += ',';
    first = false;
    to.append("\"").append(name).append("\"");
  };
  kind(label.booleans, "boolean");
  kind(label.numbers, "number");
  kind(label.strings, "string");
  to += "],\"values\":";
  append_decimal(to, label.values);
  to += ",\"objects\":";
  append_decimal(to, label.objects);
  to += ",\"not_indexed\":";
  append_decimal(to, label.not_indexed);
  to += '}';
}

class LabelList final : public AnswerText {
 public:
  LabelList(Call& call, storage::QueryMatches matches) : call_(call), matches_(std::move(matches)) {}

  Task<Outcome<bool>> more(std::string& to) override {
    if (!begun_) to += "{\"labels\":[";
    begun_ = true;
    const auto page =
        co_await call_.store.label_summaries(call_.target.bucket, matches_, after_, kNamesPerPiece);
    if (!page) co_return Failure(page.error());
    for (const storage::LabelSummary& label : page->labels) {
      if (!first_) to += ',';
      first_ = false;
      append_summary(to, label);
    }
    if (!page->next) {
      to += "]}";
      co_return false;
    }
    after_ = *page->next;
    co_return true;
  }

 private:
  Call& call_;
  storage::QueryMatches matches_;
  std::string after_;
  bool begun_ = false;
  bool first_ = true;
};

}  // namespace

void append_number(std::string& to, double number) { labels::append_json(to, labels::Value(number)); }

void append_counts(std::string& to, const std::vector<storage::ValueCount>& counts) {
  to += '[';
  for (const storage::ValueCount& each : counts) {
    if (to.back() != '[') to += ',';
    to += "{\"value\":";
    labels::append_json(to, each.value);
    to += ",\"count\":";
    append_decimal(to, each.objects);
    to += '}';
  }
  to += ']';
}

const labels::LabelSet::Values* values_of(const storage::QueryMatch& match, const std::string& name,
                                          labels::LabelSet::Values& fact_value) {
  if (!name.starts_with(labels::kFactPrefix)) return match.labels.find(name);
  labels::ObjectFacts facts;
  facts.key = match.info->key;
  facts.size = match.info->size;
  facts.modified_ms = match.info->modified_ms;
  const std::string& type = match.info->attributes.content_type;
  facts.type = type.empty() ? std::string_view("binary/octet-stream") : std::string_view(type);
  facts.etag = match.info->etag;
  auto value = labels::fact(name, facts);
  if (!value) return nullptr;
  fact_value.assign(1, std::move(*value));
  return &fact_value;
}

Task<Outcome<VirtualContent>> read_stats(Call& call, std::string rest) {
  std::string_view left(rest);
  auto name = take_label_name(left);
  if (!name) co_return name.error();
  storage::LabelQuery query = all_objects(call);
  if (!left.empty()) {
    auto parsed = parse_label_query(call, left);
    if (!parsed) co_return parsed.error();
    query = std::move(*parsed);
  }
  const auto figures = co_await call.store.label_statistics(call.target.bucket, *name, std::move(query));
  if (!figures && figures.error() == storage::Errc::too_large) {
    co_return Failure(S3Error::invalid_request, "There are too many distinct values for statistics; narrow the query");
  }
  if (!figures) co_return figures.error();
  std::string text = "{\"name\":";
  labels::append_json(text, std::string_view(*name));
  const auto number = [&](std::string_view member, std::uint64_t value) {
    text.append(",\"").append(member).append("\":");
    append_decimal(text, value);
  };
  number("objects", figures->objects);
  number("labelled", figures->labelled);
  number("unlabelled", figures->objects - figures->labelled);
  number("distinct", figures->distinct);
  text += ",\"values\":";
  append_counts(text, figures->values);
  text += ",\"min\":";
  append_number_or_null(text, figures->min);
  text += ",\"max\":";
  append_number_or_null(text, figures->max);
  text += ",\"mean\":";
  append_number_or_null(text, figures->mean);
  number("not_indexed", figures->not_indexed);
  text += '}';
  co_return whole_answer(std::move(text));
}

Task<Outcome<VirtualContent>> read_labels(Call& call, std::string) {
  auto matches = co_await call.store.query_matches(call.target.bucket, all_objects(call));
  if (!matches) co_return matches.error();
  VirtualContent content;
  content.text = std::make_unique<LabelList>(call, std::move(*matches));
  co_return std::move(content);
}

}  // namespace api
