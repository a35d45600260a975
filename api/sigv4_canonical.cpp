#include <algorithm>
#include <vector>

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/sigv4.h"

namespace api {
namespace {

void append_canonical_query(std::string& out, const RequestTarget& target, bool query_form) {
  if (target.query.empty()) return;
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(target.query.size());
  for (const QueryParameter& parameter : target.query) {
    if (query_form && equals_caseless(parameter.name, "X-Amz-Signature")) continue;
    encoded.emplace_back(percent_encode(parameter.name, Slash::encode),
                         percent_encode(parameter.value, Slash::encode));
  }
  std::sort(encoded.begin(), encoded.end());
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (i > 0) out += '&';
    out.append(encoded[i].first).append("=").append(encoded[i].second);
  }
}

// Blanks at the ends go, runs of blanks inside become one space.
void append_folded(std::string& out, std::string_view value) {
  value = trim(value);
  if (value.find("  ") == std::string_view::npos && value.find('\t') == std::string_view::npos) {
    out += value;
    return;
  }
  bool blank = false;
  for (const char c : value) {
    if (is_blank(c)) {
      blank = true;
      continue;
    }
    if (blank) out += ' ';
    blank = false;
    out += c;
  }
}

void append_canonical_headers(std::string& out, const Request& request, std::string_view names) {
  while (!names.empty()) {
    const std::string_view name = cut(names, ';');
    out += name;
    out += ':';
    bool first = true;
    for (const HeaderField& field : request.headers) {
      if (!equals_caseless(field.name, name)) continue;
      if (!first) out += ',';
      first = false;
      // Node writes header values as Latin-1 but signs their UTF-8.
      if (is_utf8(field.value)) {
        append_folded(out, field.value);
      } else {
        append_folded(out, latin1_to_utf8(field.value));
      }
    }
    out += '\n';
  }
}

}  // namespace

std::string canonical_request(const Request& request, const RequestTarget& target,
                              std::string_view signed_headers, std::string_view payload_hash,
                              bool query_form) {
  std::string out;
  out.reserve(512 + target.raw_path.size() + 4 * signed_headers.size());
  out += request.method;
  out += '\n';
  // Decoding and encoding again gives one form to all spellings of a path. The key is already decoded; a
  // bucket name in the path is spelt as it is.
  if (target.virtual_hosted) {
    out += '/';
    append_percent_encoded(out, target.key, Slash::keep);
  } else if (const auto decoded = percent_decode(target.raw_path, Plus::literal)) {
    append_percent_encoded(out, *decoded, Slash::keep);
  }
  out += '\n';
  append_canonical_query(out, target, query_form);
  out += '\n';
  append_canonical_headers(out, request, signed_headers);
  out += '\n';
  out += signed_headers;
  out += '\n';
  out += payload_hash;
  return out;
}

Sha256Digest signing_key(std::string_view secret, std::string_view date, std::string_view region,
                         std::string_view service) {
  std::string start = "AWS4";
  start += secret;
  const auto octets = std::span(reinterpret_cast<const std::uint8_t*>(start.data()), start.size());
  const Sha256Digest of_date = hmac_sha256(octets, date);
  const Sha256Digest of_region = hmac_sha256(of_date, region);
  const Sha256Digest of_service = hmac_sha256(of_region, service);
  return hmac_sha256(of_service, "aws4_request");
}

}  // namespace api
