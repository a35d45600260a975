#include "api/virtual/agreement.h"

#include <algorithm>

#include "api/ascii.h"
#include "api/virtual/answers.h"

namespace api {

namespace labels = storage::labels;

namespace {

constexpr std::size_t kMatchesPerStep = 1000;

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void append_member(std::string& to, std::string_view name, std::uint64_t value) {
  to.append(",\"").append(name).append("\":");
  append_decimal(to, value);
}

}  // namespace

bool Agreement::add(const std::string& key, const Values* truth, const Values* prediction, std::optional<double> score) {
  const std::size_t truths = truth != nullptr ? truth->size() : 0;
  const std::size_t predictions = prediction != nullptr ? prediction->size() : 0;
  ++objects_;
  if (truths > 1 || predictions > 1) {
    ++ambiguous_;
    return true;
  }
  if (truths == 0) ++missing_truth_;
  if (predictions == 0) ++missing_prediction_;
  if (truths == 0 || predictions == 0) return true;
  const labels::Value& is = truth->front();
  const labels::Value& seems = prediction->front();
  ++both_;
  Class& true_class = classes_[is];
  ++true_class.truths;
  if (is == seems) {
    ++agreed_;
    ++true_class.agreed;
  }
  ++classes_[seems].predictions;
  ++pairs_[is][seems];
  if (is != seems) note(key, is, seems, score);
  return classes_.size() <= kClassesMax;
}

void Agreement::note(const std::string& key, const labels::Value& truth, const labels::Value& prediction,
                     std::optional<double> score) {
  worst_.push_back({key, truth, prediction, score, objects_});
  if (worst_.size() >= 2 * kWorstMax) trim_worst();
}

void Agreement::trim_worst() {
  std::sort(worst_.begin(), worst_.end(), [](const Worst& a, const Worst& b) {
    if (a.score.has_value() != b.score.has_value()) return a.score.has_value();
    if (a.score && *a.score != *b.score) return *a.score > *b.score;
    return a.number < b.number;
  });
  if (worst_.size() > kWorstMax) worst_.erase(worst_.begin() + kWorstMax, worst_.end());
}

void Agreement::print_head(std::string& to, std::string_view truth, std::string_view prediction) {
  to += "{\"truth\":";
  labels::append_json(to, truth);
  to += ",\"prediction\":";
  labels::append_json(to, prediction);
  append_member(to, "objects", objects_);
  append_member(to, "both", both_);
  append_member(to, "missing_truth", missing_truth_);
  append_member(to, "missing_prediction", missing_prediction_);
  append_member(to, "ambiguous", ambiguous_);
  to += ",\"accuracy\":";
  append_number(to, ratio(agreed_, both_));
  to += ",\"classes\":[";
  for (const auto& [value, counts] : classes_) {
    if (to.back() != '[') to += ',';
    labels::append_json(to, value);
  }
  to += "],\"matrix\":[";
}

void Agreement::print_row(std::string& to) {
  if (*next_row_ != classes_.begin()) to += ',';
  const auto row = pairs_.find((*next_row_)->first);
  to += '[';
  for (const auto& [value, counts] : classes_) {
    if (to.back() != '[') to += ',';
    std::uint64_t count = 0;
    if (row != pairs_.end()) {
      const auto cell = row->second.find(value);
      if (cell != row->second.end()) count = cell->second;
    }
    append_decimal(to, count);
  }
  to += ']';
}

void Agreement::print_tail(std::string& to) {
  to += "],\"per_class\":[";
  for (const auto& [value, counts] : classes_) {
    if (to.back() != '[') to += ',';
    const double precision = ratio(counts.agreed, counts.predictions);
    const double recall = ratio(counts.agreed, counts.truths);
    const double both = precision + recall;
    to += "{\"class\":";
    labels::append_json(to, value);
    to += ",\"precision\":";
    append_number(to, precision);
    to += ",\"recall\":";
    append_number(to, recall);
    to += ",\"f1\":";
    append_number(to, both == 0 ? 0 : 2 * precision * recall / both);
    append_member(to, "support", counts.truths);
    to += '}';
  }
  to += "],\"worst\":[";
  trim_worst();
  for (const Worst& each : worst_) {
    if (to.back() != '[') to += ',';
    to += "{\"key\":";
    labels::append_json(to, std::string_view(each.key));
    to += ",\"truth\":";
    labels::append_json(to, each.truth);
    to += ",\"prediction\":";
    labels::append_json(to, each.prediction);
    to += ",\"score\":";
    if (each.score) append_number(to, *each.score);
    else to += "null";
    to += '}';
  }
  to += "]}";
}

bool Agreement::print(std::string& to, std::string_view truth, std::string_view prediction) {
  if (!next_row_) {
    print_head(to, truth, prediction);
    next_row_ = classes_.begin();
  }
  while (*next_row_ != classes_.end() && to.size() < kAnswerPieceBytes) {
    print_row(to);
    ++*next_row_;
  }
  if (*next_row_ != classes_.end()) return true;
  print_tail(to);
  return false;
}

namespace {

// `prediction.class` has its score in `prediction.score`.
std::string score_name(const std::string& prediction) {
  const std::size_t dot = prediction.rfind('.');
  return dot == std::string::npos ? "score" : prediction.substr(0, dot + 1) + "score";
}

std::optional<double> highest_number(const labels::LabelSet::Values* values) {
  std::optional<double> highest;
  if (values == nullptr) return highest;
  for (const labels::Value& value : *values) {
    if (value.kind() == labels::Kind::number) highest = value.number();  // they ascend
  }
  return highest;
}

class AgreementText final : public AnswerText {
 public:
  AgreementText(std::unique_ptr<storage::QueryWalk> walk, std::string truth, std::string prediction)
      : walk_(std::move(walk)), truth_(std::move(truth)), prediction_(std::move(prediction)), score_(score_name(prediction_)) {}

  Task<Outcome<bool>> more(std::string& to) override {
    while (!counted_) {
      const auto matches = co_await walk_->next(kMatchesPerStep);
      if (!matches) co_return Failure(matches.error());
      counted_ = matches->empty();
      for (const storage::QueryMatch& match : *matches) {
        labels::LabelSet::Values facts[3];
        const auto* const truth = values_of(match, truth_, facts[0]);
        const auto* const prediction = values_of(match, prediction_, facts[1]);
        const auto score = highest_number(values_of(match, score_, facts[2]));
        if (!agreement_.add(match.info->key, truth, prediction, score)) {
          co_return Failure(S3Error::invalid_request, "There are more than " + std::to_string(Agreement::kClassesMax) +
                                                          " classes; narrow the query");
        }
      }
    }
    std::string piece;
    const bool more = agreement_.print(piece, truth_, prediction_);
    to += piece;
    co_return more;
  }
  std::string headers() const override { return plan_header(walk_->plan()); }

 private:
  std::unique_ptr<storage::QueryWalk> walk_;
  std::string truth_;
  std::string prediction_;
  std::string score_;
  Agreement agreement_;
  bool counted_ = false;
};

}  // namespace

Task<Outcome<VirtualContent>> read_agreement(Call& call, std::string rest) {
  std::string_view left(rest);
  auto truth = take_label_name(left);
  if (!truth) co_return truth.error();
  if (left.empty()) co_return invalid_argument("key", "", "The key is not valid: expected / and the name of a prediction");
  auto prediction = take_label_name(left);
  if (!prediction) co_return prediction.error();
  storage::LabelQuery query = all_objects(call);
  if (!left.empty()) {
    auto parsed = parse_label_query(call, left);
    if (!parsed) co_return parsed.error();
    query = std::move(*parsed);
  }
  auto walk = co_await call.store.query_walk(call.target.bucket, std::move(query));
  if (!walk) co_return walk.error();
  VirtualContent content;
  content.text = std::make_unique<AgreementText>(std::move(*walk), std::move(*truth), std::move(*prediction));
  co_return std::move(content);
}

}  // namespace api
