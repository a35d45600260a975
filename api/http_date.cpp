#include "api/http_date.h"

#include <array>
#include <chrono>

#include "api/ascii.h"

namespace api {
namespace {

constexpr std::array<std::string_view, 7> kWeekdays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Civil {
  int year = 1970;
  unsigned month = 1;
  unsigned day = 1;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  unsigned millisecond = 0;
  unsigned weekday = 4;
};

Civil civil_from(std::int64_t unix_ms) {
  using namespace std::chrono;
  const milliseconds since{unix_ms};
  const auto day_point = floor<days>(since);
  const year_month_day date{sys_days{day_point}};
  const auto within = static_cast<unsigned>((since - day_point).count());
  Civil civil;
  civil.year = static_cast<int>(date.year());
  civil.month = static_cast<unsigned>(date.month());
  civil.day = static_cast<unsigned>(date.day());
  civil.hour = within / 3'600'000;
  civil.minute = within / 60'000 % 60;
  civil.second = within / 1'000 % 60;
  civil.millisecond = within % 1'000;
  civil.weekday = weekday{sys_days{day_point}}.c_encoding();
  return civil;
}

std::optional<std::int64_t> seconds_from(const Civil& civil) {
  using namespace std::chrono;
  const year_month_day date{year{civil.year}, month{civil.month}, day{civil.day}};
  // A leap second is read as the first second of the next minute.
  if (!date.ok() || civil.year < 1970 || civil.year > 9999) return std::nullopt;
  if (civil.hour > 23 || civil.minute > 59 || civil.second > 60) return std::nullopt;
  const std::int64_t day_count = sys_days{date}.time_since_epoch().count();
  return day_count * 86'400 + civil.hour * 3'600 + civil.minute * 60 + civil.second;
}

// Writes `width` digits and gives where they end.
char* put_padded(char* to, unsigned value, unsigned width) {
  for (unsigned i = width; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
  return to + width;
}

void append_padded(std::string& out, unsigned value, unsigned width) {
  char digits[8];
  out.append(digits, put_padded(digits, value, width));
}

// Reads `width` digits at the front of `text` and takes them off.
bool take_number(std::string_view& text, std::size_t width, unsigned& value) {
  if (text.size() < width) return false;
  value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    if (!is_digit(text[i])) return false;
    value = value * 10 + static_cast<unsigned>(text[i] - '0');
  }
  text.remove_prefix(width);
  return true;
}

bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

bool take_month(std::string_view& text, unsigned& month) {
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (starts_with_caseless(text, kMonths[i])) {
      text.remove_prefix(3);
      month = i + 1;
      return true;
    }
  }
  return false;
}

bool take_time(std::string_view& text, Civil& civil) {
  return take_number(text, 2, civil.hour) && take(text, ":") && take_number(text, 2, civil.minute) &&
         take(text, ":") && take_number(text, 2, civil.second);
}

bool take_year(std::string_view& text, Civil& civil) {
  unsigned year = 0;
  if (!take_number(text, 4, year)) return false;
  civil.year = static_cast<int>(year);
  return true;
}

// "Nov  6 08:49:37 1994", after the weekday
std::optional<std::int64_t> parse_asctime(std::string_view text) {
  Civil civil;
  if (!take_month(text, civil.month) || !take(text, " ")) return std::nullopt;
  const std::size_t width = take(text, " ") ? 1 : 2;
  if (!take_number(text, width, civil.day) || !take(text, " ") || !take_time(text, civil) ||
      !take(text, " ") || !take_year(text, civil) || !text.empty()) {
    return std::nullopt;
  }
  return seconds_from(civil);
}

bool take_zone(std::string_view& text) {
  return take(text, "GMT") || take(text, "UTC") || take(text, "+0000");
}

// "06 Nov 1994 08:49:37 GMT" or "06-Nov-94 08:49:37 GMT", after the weekday
std::optional<std::int64_t> parse_day_first(std::string_view text) {
  Civil civil;
  const std::size_t width = text.size() > 1 && is_digit(text[1]) ? 2 : 1;
  if (!take_number(text, width, civil.day)) return std::nullopt;
  if (take(text, "-")) {
    unsigned year = 0;
    if (!take_month(text, civil.month) || !take(text, "-") || !take_number(text, 2, year))
      return std::nullopt;
    civil.year = static_cast<int>(year < 70 ? 2000 + year : 1900 + year);
  } else if (!take(text, " ") || !take_month(text, civil.month) || !take(text, " ") ||
             !take_year(text, civil)) {
    return std::nullopt;
  }
  if (!take(text, " ") || !take_time(text, civil) || !take(text, " ") || !take_zone(text) || !text.empty()) {
    return std::nullopt;
  }
  return seconds_from(civil);
}

}  // namespace

void append_http_date(std::string& out, std::int64_t unix_ms) {
  const Civil civil = civil_from(unix_ms);
  out += kWeekdays[civil.weekday];
  out += ", ";
  append_padded(out, civil.day, 2);
  out += ' ';
  out += kMonths[civil.month - 1];
  out += ' ';
  append_padded(out, static_cast<unsigned>(civil.year), 4);
  out += ' ';
  append_padded(out, civil.hour, 2);
  out += ':';
  append_padded(out, civil.minute, 2);
  out += ':';
  append_padded(out, civil.second, 2);
  out += " GMT";
}

std::string http_date(std::int64_t unix_ms) {
  std::string out;
  append_http_date(out, unix_ms);
  return out;
}

std::string iso_date(std::int64_t unix_ms) {
  const Civil civil = civil_from(unix_ms);
  std::string out = "0000-00-00T00:00:00.000Z";
  char* at = put_padded(out.data(), static_cast<unsigned>(civil.year), 4) + 1;
  for (const unsigned two : {civil.month, civil.day, civil.hour, civil.minute, civil.second}) at = put_padded(at, two, 2) + 1;
  put_padded(at, civil.millisecond, 3);
  return out;
}

std::string amz_date(std::int64_t unix_ms) {
  const Civil civil = civil_from(unix_ms);
  std::string out;
  append_padded(out, static_cast<unsigned>(civil.year), 4);
  append_padded(out, civil.month, 2);
  append_padded(out, civil.day, 2);
  out += 'T';
  append_padded(out, civil.hour, 2);
  append_padded(out, civil.minute, 2);
  append_padded(out, civil.second, 2);
  out += 'Z';
  return out;
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  text = trim(text);
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view first = text.substr(0, space);
  if (first.ends_with(',')) return parse_day_first(trim(text.substr(space)));
  if (is_digit(text.front())) return parse_day_first(text);
  return parse_asctime(text.substr(space + 1));
}

std::optional<std::int64_t> parse_amz_date(std::string_view text) {
  Civil civil;
  if (!take_year(text, civil) || !take_number(text, 2, civil.month) || !take_number(text, 2, civil.day) ||
      !take(text, "T") || !take_number(text, 2, civil.hour) || !take_number(text, 2, civil.minute) ||
      !take_number(text, 2, civil.second) || text != "Z") {
    return std::nullopt;
  }
  return seconds_from(civil);
}

std::optional<std::int64_t> parse_iso_date(std::string_view text) {
  Civil civil;
  if (!take_year(text, civil) || !take(text, "-") || !take_number(text, 2, civil.month) || !take(text, "-") ||
      !take_number(text, 2, civil.day) || !take(text, "T") || !take_time(text, civil)) {
    return std::nullopt;
  }
  if (take(text, ".")) {
    if (text.empty() || !is_digit(text.front())) return std::nullopt;
    while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
  }
  if (text != "Z" && text != "+00:00") return std::nullopt;
  return seconds_from(civil);
}

}  // namespace api
