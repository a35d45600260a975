// Drift: the values of a label by windows of time. Pure.
//
// Bounds  kCountsMax pairs of window and value; add() is false when there would be more.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "storage/labels/label_set.h"

namespace api {

// "15m" as milliseconds; nullopt unless it is a positive integer and s, m, h or d.
std::optional<std::int64_t> parse_window(std::string_view text);

class Drift {
 public:
  static constexpr std::size_t kCountsMax = 1'000'000;

  explicit Drift(std::int64_t window_ms) : window_ms_(window_ms) {}

  // An object with values of the label; it counts once for each.
  bool add(std::int64_t modified_ms, const storage::labels::LabelSet::Values& values);
  // After the last: in pieces. False: that was the last.
  bool print(std::string& to, std::string_view name, std::string_view window);

 private:
  struct Window {
    std::uint64_t objects = 0;
    std::uint64_t total = 0;  // of all counts
    std::map<storage::labels::Value, std::uint64_t> counts;
  };
  static double distance(const Window& a, const Window& b);
  void print_window(std::string& to);

  std::int64_t window_ms_;
  std::map<std::int64_t, Window> windows_;  // by start
  std::size_t counts_ = 0;
  std::optional<std::map<std::int64_t, Window>::const_iterator> next_;
};

}  // namespace api
