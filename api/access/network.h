// IP addresses and networks of policies, "192.0.2.0/24" and "2001:db8::/32".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace api {

// IPv4 as ::ffff:a.b.c.d, so that one comparison serves both.
using Address = std::array<std::uint8_t, 16>;

struct Network {
  Address address{};
  unsigned bits = 128;
};

std::optional<Address> parse_address(std::string_view text);
// Without a slash: that address alone.
std::optional<Network> parse_network(std::string_view text);
bool contains(const Network& network, const Address& address);

}  // namespace api
