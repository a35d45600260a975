#include "storage/dataset/order_parameters.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace storage::dataset {
namespace {

constexpr std::size_t kTarDigitsMin = 6;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=') return std::nullopt;  // of a value it is encoded
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::string percent_encoded(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (c != ',' && c != '/' && c != '%' && c != '=') {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Parser {
 public:
  explicit Parser(OrderUse use) : use_(use) {}

  ParsedOrder parse(std::string_view text) {
    if (text.empty()) return failed("At least one parameter is required");
    while (true) {
      const std::size_t comma = text.find(',');
      if (std::string error = take(text.substr(0, comma)); !error.empty()) return failed(std::move(error));
      if (comma == std::string_view::npos) break;
      text.remove_prefix(comma + 1);
    }
    if (std::string error = judge(); !error.empty()) return failed(std::move(error));
    ParsedOrder parsed;
    parsed.parameters = std::move(order_);
    return parsed;
  }

 private:
  static ParsedOrder failed(std::string error) {
    ParsedOrder parsed;
    parsed.error = std::move(error);
    return parsed;
  }

  std::string take(std::string_view item) {
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0) return "A parameter is not of the form name=value: " + std::string(item);
    const std::string name(item.substr(0, equals));
    auto value = percent_decoded(item.substr(equals + 1));
    if (!value || value->empty()) return "The value of the parameter " + name + " is malformed";
    if (!seen_.insert(name).second) return "The parameter " + name + " is given more than once";
    if (std::uint64_t* const into = number_of(name)) {
      const auto parsed = number(*value);
      if (!parsed) return "The parameter " + name + " must be a number from 0 to 18446744073709551615";
      *into = *parsed;
      return {};
    }
    return take_text(name, std::move(*value));
  }

  std::uint64_t* number_of(std::string_view name) {
    if (name == "seed") return &order_.seed;
    if (name == "epoch") return &order_.epoch;
    if (name == "size") return &order_.size;
    if (name == "start") return &order_.start;
    if (name == "rank") return &order_.rank;
    if (name == "world") return &order_.world;
    return nullptr;
  }

  std::string take_text(const std::string& name, std::string value) {
    if (name == "query") {
      order_.query = std::move(value);
    } else if (name == "balance") {
      order_.balance = std::move(value);
    } else if (name == "weight") {
      order_.weight = std::move(value);
    } else if (name == "labels") {
      order_.labels = std::move(value);
      if (order_.labels.size() > 512) return "The parameter labels names no annotation";
    } else if (name == "order") {
      if (value != "random" && value != "sealed") return "The parameter order must be random or sealed";
      order_.sealed_order = value == "sealed";
    } else {
      return "There is no parameter " + name;
    }
    return {};
  }

  std::string judge() const {
    if (order_.size < 1 || order_.size > kSamplesPerTarMax) return "The parameter size must be from 1 to 1000000";
    if (use_ == OrderUse::shards && (seen_.contains("rank") || seen_.contains("world"))) {
      return "Shards take neither rank nor world";
    }
    if (order_.rank >= order_.world) return "The parameter rank must be below world";
    if (!order_.balance.empty() && !order_.weight.empty()) return "Only one of balance and weight can be given";
    return {};
  }

  OrderUse use_;
  OrderParameters order_;
  std::set<std::string> seen_;
};

}  // namespace

ParsedOrder parse_order(std::string_view text, OrderUse use) { return Parser(use).parse(text); }

std::string OrderParameters::canonical() const {
  std::string text;
  const auto add = [&text](std::string_view name, std::string_view value) {
    if (!text.empty()) text += ',';
    text.append(name).append("=").append(percent_encoded(value));
  };
  const bool ignores_seed = sealed_order;
  add("seed", std::to_string(ignores_seed ? 0 : seed));
  add("epoch", std::to_string(ignores_seed ? 0 : epoch));
  add("size", std::to_string(size));
  add("start", std::to_string(start));
  add("rank", std::to_string(rank));
  add("world", std::to_string(world));
  if (!query.empty()) add("query", query);
  if (!balance.empty()) add("balance", balance);
  if (!weight.empty()) add("weight", weight);
  add("labels", labels);
  add("order", sealed_order ? "sealed" : "random");
  return text;
}

std::optional<std::uint64_t> parse_tar_name(std::string_view name) {
  if (!name.ends_with(".tar")) return std::nullopt;
  const auto parsed = number(name.substr(0, name.size() - 4));
  if (!parsed || tar_name(*parsed) != name) return std::nullopt;
  return parsed;
}

std::string tar_name(std::uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < kTarDigitsMin) digits.insert(0, kTarDigitsMin - digits.size(), '0');
  return digits + ".tar";
}

PositionRange positions_of(const OrderParameters& parameters, std::uint64_t positions) {
  PositionRange range;
  range.stride = parameters.world;
  if (parameters.start >= positions || parameters.rank >= positions - parameters.start) return range;
  range.first = parameters.start + parameters.rank;
  range.count = (positions - range.first - 1) / parameters.world + 1;
  return range;
}

std::uint64_t tar_count(const OrderParameters& parameters, std::uint64_t positions) {
  const std::uint64_t count = positions_of(parameters, positions).count;
  return count / parameters.size + (count % parameters.size != 0 ? 1 : 0);
}

std::optional<PositionRange> tar_positions(const OrderParameters& parameters, std::uint64_t positions,
                                           std::uint64_t number) {
  if (number >= tar_count(parameters, positions)) return std::nullopt;
  const PositionRange all = positions_of(parameters, positions);
  PositionRange range;
  range.stride = all.stride;
  range.first = all.at(number * parameters.size);
  range.count = std::min(parameters.size, all.count - number * parameters.size);
  return range;
}

}  // namespace storage::dataset
