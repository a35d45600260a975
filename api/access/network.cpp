#include "api/access/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "api/ascii.h"

namespace api {
namespace {

constexpr unsigned kMappedBits = 96;

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
  if (text.size() > INET6_ADDRSTRLEN) return std::nullopt;
  const std::string terminated(text);
  Address address{};
  if (::inet_pton(AF_INET6, terminated.c_str(), address.data()) == 1) return address;
  std::array<std::uint8_t, 4> four{};
  if (::inet_pton(AF_INET, terminated.c_str(), four.data()) != 1) return std::nullopt;
  address.fill(0);
  address[10] = address[11] = 0xff;
  std::copy(four.begin(), four.end(), address.begin() + 12);
  return address;
}

std::optional<Network> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const auto address = parse_address(host);
  if (!address) return std::nullopt;
  Network network;
  network.address = *address;
  if (slash == std::string_view::npos) return network;
  const auto bits = parse_decimal(text.substr(slash + 1));
  const bool four = host.find(':') == std::string_view::npos;
  if (!bits || *bits > (four ? 32U : 128U)) return std::nullopt;
  network.bits = static_cast<unsigned>(*bits) + (four ? kMappedBits : 0);
  return network;
}

bool contains(const Network& network, const Address& address) {
  const unsigned whole = network.bits / 8;
  if (!std::equal(address.begin(), address.begin() + whole, network.address.begin())) return false;
  const unsigned rest = network.bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return (address[whole] & mask) == (network.address[whole] & mask);
}

}  // namespace api
