#include "api/request_target.h"

#include <array>

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/limits.h"
#include "api/virtual/virtual_key.h"
#include "storage/object_store.h"

namespace api {
namespace {

// The host without its port, lower-case letters only where compared.
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return {};  // an IPv6 address carries no bucket
  return host.substr(0, host.find(':'));
}

std::optional<std::string> bucket_of_host(std::string_view host, std::string_view domain) {
  if (domain.empty() || host.size() < domain.size() + 2) return std::nullopt;
  const std::size_t dot = host.size() - domain.size() - 1;
  if (host[dot] != '.' || !equals_caseless(host.substr(dot + 1), domain)) return std::nullopt;
  return to_lower(host.substr(0, dot));
}

std::optional<std::string> virtual_bucket(std::string_view host, std::span<const std::string> domains) {
  const std::string_view name = host_name(host);
  for (const std::string& domain : domains) {
    if (equals_caseless(name, domain)) return std::nullopt;
  }
  for (const std::string& domain : domains) {
    if (auto bucket = bucket_of_host(name, domain)) return bucket;
  }
  return bucket_of_host(name, "localhost");
}

bool has_unlistable(std::string_view key) {
  return key.find('\0') != std::string_view::npos || key.find("\xEF\xBF\xBE") != std::string_view::npos ||
         key.find("\xEF\xBF\xBF") != std::string_view::npos;
}

bool has_ipv4_shape(std::string_view name) {
  unsigned dots = 0;
  bool digit_before = false;
  for (const char c : name) {
    if (c == '.') {
      if (!digit_before) return false;
      ++dots;
      digit_before = false;
    } else if (is_digit(c)) {
      digit_before = true;
    } else {
      return false;
    }
  }
  return dots == 3 && digit_before;
}

}  // namespace

std::optional<std::string_view> RequestTarget::parameter(std::string_view name) const {
  for (const QueryParameter& parameter : query) {
    if (equals_caseless(parameter.name, name)) return std::string_view(parameter.value);
  }
  return std::nullopt;
}

std::optional<std::string> bucket_below(std::string_view host, std::span<const std::string> domains) {
  for (const std::string& domain : domains) {
    if (auto bucket = bucket_of_host(host_name(host), domain)) return bucket;
  }
  return std::nullopt;
}

Outcome<std::vector<QueryParameter>> parse_query(std::string_view query) {
  std::vector<QueryParameter> parameters;
  while (!query.empty()) {
    std::string_view pair = cut(query, '&');
    if (pair.empty()) continue;
    if (parameters.size() >= kQueryParametersMax) return S3Error::invalid_uri;
    const std::string_view raw_name = cut(pair, '=');
    auto name = percent_decode(raw_name, Plus::space);
    auto value = percent_decode(pair, Plus::space);
    if (!name || !value) return S3Error::invalid_uri;
    parameters.push_back({std::move(*name), std::move(*value)});
  }
  return parameters;
}

Outcome<> check_key(std::string_view key) {
  // The names of virtual objects hold queries.
  if (key.size() > storage::kKeyBytesMax && !is_virtual_key(key)) {
    return Failure(S3Error::key_too_long)
        .with("Size", to_decimal(key.size()))
        .with("MaxSizeAllowed", to_decimal(storage::kKeyBytesMax));
  }
  if (!is_utf8(key) || has_unlistable(key)) return S3Error::invalid_uri;
  return done();
}

Outcome<RequestTarget> parse_target(std::string_view target, std::string_view host,
                                    std::span<const std::string> domains) {
  if (target.size() > kVirtualTargetBytesMax) return S3Error::invalid_uri;
  const std::size_t target_bytes = target.size();
  // The absolute form of a proxy request names the host again; only its path counts.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!starts_with_caseless(target, scheme)) continue;
    const std::size_t path = target.find('/', scheme.size());
    target = path == std::string_view::npos ? "/" : target.substr(path);
    break;
  }
  if (!target.starts_with('/')) return S3Error::invalid_uri;

  RequestTarget parsed;
  const std::size_t mark = target.find('?');
  parsed.raw_path = target.substr(0, mark);
  if (mark != std::string_view::npos) {
    auto query = parse_query(target.substr(mark + 1));
    if (!query) return query.error();
    parsed.query = std::move(*query);
  }

  std::string_view raw_key = parsed.raw_path.substr(1);
  if (auto bucket = virtual_bucket(host, domains)) {
    parsed.virtual_hosted = true;
    parsed.bucket = std::move(*bucket);
  } else {
    auto decoded = percent_decode(cut(raw_key, '/'), Plus::literal);
    if (!decoded) return S3Error::invalid_uri;
    parsed.bucket = std::move(*decoded);
    if (parsed.bucket.empty() && !raw_key.empty()) return S3Error::invalid_bucket_name;
  }
  auto key = percent_decode(raw_key, Plus::literal);
  if (!key) return S3Error::invalid_uri;
  parsed.key = std::move(*key);
  if (target_bytes > kTargetBytesMax && !is_virtual_key(parsed.key) && !parsed.has("query")) return S3Error::invalid_uri;
  if (auto checked = check_key(parsed.key); !checked) return checked.error();
  return parsed;
}

bool is_bucket_name(std::string_view name) {
  if (name.size() < 3 || name.size() > 63) return false;
  const auto alphanumeric = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); };
  if (!alphanumeric(name.front()) || !alphanumeric(name.back())) return false;
  for (const char c : name) {
    if (!alphanumeric(c) && c != '-' && c != '.') return false;
  }
  for (const std::string_view pair : {"..", ".-", "-."}) {
    if (name.find(pair) != std::string_view::npos) return false;
  }
  for (const std::string_view prefix : {"xn--", "sthree-", "amzn-s3-demo-"}) {
    if (name.starts_with(prefix)) return false;
  }
  for (const std::string_view suffix : {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}) {
    if (name.ends_with(suffix)) return false;
  }
  return !has_ipv4_shape(name);
}

}  // namespace api
