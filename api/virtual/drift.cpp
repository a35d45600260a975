#include "api/virtual/drift.h"

#include <algorithm>
#include <cmath>

#include "api/ascii.h"
#include "api/virtual/answers.h"

namespace api {

namespace labels = storage::labels;

std::optional<std::int64_t> parse_window(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::int64_t unit_ms = 0;
  switch (text.back()) {
    case 's':
      unit_ms = 1000;
      break;
    case 'm':
      unit_ms = 60LL * 1000;
      break;
    case 'h':
      unit_ms = 3600LL * 1000;
      break;
    case 'd':
      unit_ms = 24LL * 3600 * 1000;
      break;
    default:
      return std::nullopt;
  }
  constexpr std::uint64_t kCountMax = 1'000'000'000;  // far beyond all of time in any unit, far from overflow
  const auto count = parse_decimal(text.substr(0, text.size() - 1));
  if (!count || *count == 0 || *count > kCountMax) return std::nullopt;
  return static_cast<std::int64_t>(*count) * unit_ms;
}

bool Drift::add(std::int64_t modified_ms, const labels::LabelSet::Values& values) {
  if (values.empty()) return true;
  std::int64_t of_window = modified_ms % window_ms_;
  if (of_window < 0) of_window += window_ms_;
  Window& window = windows_[modified_ms - of_window];
  ++window.objects;
  window.total += values.size();
  for (const labels::Value& value : values) {
    if (window.counts[value]++ == 0) ++counts_;
  }
  return counts_ <= kCountsMax;
}

double Drift::distance(const Window& a, const Window& b) {
  double sum = 0;
  const auto share = [](std::uint64_t count, const Window& of) {
    return static_cast<double>(count) / static_cast<double>(of.total);
  };
  auto left = a.counts.begin();
  auto right = b.counts.begin();
  while (left != a.counts.end() || right != b.counts.end()) {
    const bool from_left = right == b.counts.end() || (left != a.counts.end() && left->first <= right->first);
    const bool from_right = left == a.counts.end() || (right != b.counts.end() && right->first <= left->first);
    sum += std::abs((from_left ? share(left->second, a) : 0) - (from_right ? share(right->second, b) : 0));
    if (from_left) ++left;
    if (from_right) ++right;
  }
  return sum / 2;
}

void Drift::print_window(std::string& to) {
  const auto& [start, window] = **next_;
  if (*next_ != windows_.begin()) to += ',';
  to += "{\"start\":\"";
  to += labels::modified_text(start);
  to += "\",\"objects\":";
  append_decimal(to, window.objects);
  std::vector<storage::ValueCount> counts;
  for (const auto& [value, count] : window.counts) counts.push_back({value, count});
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.objects > b.objects; });
  to += ",\"values\":";
  append_counts(to, counts);
  to += ",\"distance\":";
  if (*next_ == windows_.begin()) to += "null";
  else append_number(to, distance(std::prev(*next_)->second, window));
  to += '}';
}

bool Drift::print(std::string& to, std::string_view name, std::string_view window) {
  if (!next_) {
    to += "{\"name\":";
    labels::append_json(to, name);
    to += ",\"window\":";
    labels::append_json(to, window);
    to += ",\"windows\":[";
    next_ = windows_.begin();
  }
  while (*next_ != windows_.end() && to.size() < kAnswerPieceBytes) {
    print_window(to);
    ++*next_;
  }
  if (*next_ != windows_.end()) return true;
  to += "]}";
  return false;
}

namespace {

constexpr std::size_t kMatchesPerStep = 1000;

class DriftText final : public AnswerText {
 public:
  DriftText(std::unique_ptr<storage::QueryWalk> walk, std::string name, std::string window, std::int64_t window_ms)
      : walk_(std::move(walk)), name_(std::move(name)), window_(std::move(window)), drift_(window_ms) {}

  Task<Outcome<bool>> more(std::string& to) override {
    while (!counted_) {
      const auto matches = co_await walk_->next(kMatchesPerStep);
      if (!matches) co_return Failure(matches.error());
      counted_ = matches->empty();
      for (const storage::QueryMatch& match : *matches) {
        labels::LabelSet::Values fact;
        const auto* const values = values_of(match, name_, fact);
        if (values != nullptr && !drift_.add(match.info->modified_ms, *values)) {
          co_return Failure(S3Error::invalid_request, "There are too many windows or values; choose a longer window");
        }
      }
    }
    std::string piece;
    const bool more = drift_.print(piece, name_, window_);
    to += piece;
    co_return more;
  }
  std::string headers() const override { return plan_header(walk_->plan()); }

 private:
  std::unique_ptr<storage::QueryWalk> walk_;
  std::string name_;
  std::string window_;
  Drift drift_;
  bool counted_ = false;
};

}  // namespace

Task<Outcome<VirtualContent>> read_drift(Call& call, std::string rest) {
  std::string_view left(rest);
  auto name = take_label_name(left);
  if (!name) co_return name.error();
  const auto window_ms = parse_window(left);
  if (!window_ms) {
    co_return invalid_argument("window", left, "The window is not valid: expected a positive integer and s, m, h or d");
  }
  // Who has not the label is in no window.
  std::vector<labels::QueryNode> nodes(1);
  nodes[0].name = *name;
  storage::LabelQuery query = all_objects(call);
  query.query = std::make_shared<const labels::Query>(std::move(nodes), 0U);
  auto walk = co_await call.store.query_walk(call.target.bucket, std::move(query));
  if (!walk) co_return walk.error();
  VirtualContent content;
  content.text = std::make_unique<DriftText>(std::move(*walk), std::move(*name), std::string(left), *window_ms);
  co_return std::move(content);
}

}  // namespace api
