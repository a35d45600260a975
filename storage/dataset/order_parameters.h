// OrderParameters: what the P of .granary/shards/P/, batches/P/ and order/P says.
//
// Text     comma-separated name=value, at least one, each value percent-encoded once more (of ",", "/", "%", "=" at least), in any
//          order, none twice. Names and defaults are the members below.
// Errors   a sentence for people: what is unknown, repeated, malformed or out of range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace storage::dataset {

inline constexpr std::uint64_t kSamplesPerTarMax = 1'000'000;

// What a virtual object cuts its positions into.
enum class OrderUse : std::uint8_t { shards, batches, order };

struct OrderParameters {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  std::uint64_t size = 1000;   // samples a tar, 1..kSamplesPerTarMax
  std::uint64_t start = 0;     // positions before it are left out
  std::uint64_t rank = 0;      // position p >= start belongs to rank (p - start) mod world
  std::uint64_t world = 1;
  std::string query;           // empty: every sample
  std::string balance;         // a label's name; empty: no draws
  std::string weight;
  std::string labels = "all";  // "all", "none" or an annotation's name
  bool sealed_order = false;   // the order of the seal: seed and epoch say nothing

  bool drawn() const { return !balance.empty() || !weight.empty(); }
  // One text for all that mean the same.
  std::string canonical() const;
};

struct ParsedOrder {
  OrderParameters parameters;
  std::string error;  // not empty: what is wrong, and `parameters` says nothing
};

ParsedOrder parse_order(std::string_view text, OrderUse use);

// "000000.tar" and so on: the number, or nullopt for any other name.
std::optional<std::uint64_t> parse_tar_name(std::string_view name);
std::string tar_name(std::uint64_t number);

// Which positions of an epoch one tar, or one rank's order, holds: `first`, then every `stride`-th, `count` of them.
struct PositionRange {
  std::uint64_t first = 0;
  std::uint64_t stride = 1;
  std::uint64_t count = 0;
  std::uint64_t at(std::uint64_t i) const { return first + i * stride; }
};

// All positions of an epoch of `positions` that the parameters speak of.
PositionRange positions_of(const OrderParameters& parameters, std::uint64_t positions);
std::uint64_t tar_count(const OrderParameters& parameters, std::uint64_t positions);
// nullopt: there is no tar of that number.
std::optional<PositionRange> tar_positions(const OrderParameters& parameters, std::uint64_t positions, std::uint64_t number);

}  // namespace storage::dataset
