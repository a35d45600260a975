#include "tests/unit/api/requests.h"

#include "api/ascii.h"
#include "api/encoding.h"

namespace tests {
namespace {

std::string hex(const api::Sha256Digest& digest) {
  std::string text;
  api::append_hex(text, digest);
  return text;
}

std::string string_to_sign(const SignOptions& options, std::string_view scope, std::string_view canonical) {
  std::string text = "AWS4-HMAC-SHA256\n" + options.timestamp + "\n";
  text.append(scope).append("\n").append(sha256_hex(canonical));
  return text;
}

std::string scope_of(const SignOptions& options) {
  return options.timestamp.substr(0, 8) + "/" + options.region + "/" + options.service + "/aws4_request";
}

api::RequestTarget target_of(const TestRequest& request) {
  auto target = api::parse_target(request.target, "", {});
  return target ? *target : api::RequestTarget{};
}

}  // namespace

std::string sha256_hex(std::string_view text) { return hex(api::sha256(text)); }

Signature sign(TestRequest& request, const SignOptions& options) {
  const std::string payload = options.payload.empty() ? sha256_hex(request.body) : options.payload;
  if (!request.has("x-amz-date")) request.set("x-amz-date", options.timestamp);
  if (!request.has("x-amz-content-sha256")) request.set("x-amz-content-sha256", payload);
  std::vector<std::string> names;
  for (const auto& [name, value] : request.headers) {
    const std::string lower = api::to_lower(name);
    const auto& skipped = options.unsigned_headers;
    if (std::find(skipped.begin(), skipped.end(), lower) != skipped.end()) continue;
    if (std::find(names.begin(), names.end(), lower) == names.end()) names.push_back(lower);
  }
  std::sort(names.begin(), names.end());
  std::string signed_headers;
  for (const std::string& name : names) signed_headers += (signed_headers.empty() ? "" : ";") + name;

  const std::string scope = scope_of(options);
  // A target that does not parse is never verified: what is signed for it does not matter.
  const api::RequestTarget target = target_of(request);
  const std::string canonical =
      api::canonical_request(request.view(), target, signed_headers, payload, false);
  const auto key = api::signing_key(options.secret_key, options.timestamp.substr(0, 8), options.region);
  Signature signature;
  signature.value = hex(api::hmac_sha256(key, string_to_sign(options, scope, canonical)));
  signature.chunks = {key, options.timestamp, scope, signature.value};
  request.set("authorization", "AWS4-HMAC-SHA256 Credential=" + options.access_key + "/" + scope +
                                   ", SignedHeaders=" + signed_headers + ", Signature=" + signature.value);
  return signature;
}

void presign(TestRequest& request, const SignOptions& options) {
  const std::string scope = scope_of(options);
  std::string& target = request.target;
  target += target.find('?') == std::string::npos ? "?" : "&";
  target += "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" +
            api::percent_encode(options.access_key + "/" + scope, api::Slash::encode) +
            "&X-Amz-Date=" + options.timestamp + "&X-Amz-Expires=" + options.expires +
            "&X-Amz-SignedHeaders=host";
  const std::string payload = options.payload.empty() ? "UNSIGNED-PAYLOAD" : options.payload;
  const std::string canonical =
      api::canonical_request(request.view(), target_of(request), "host", payload, true);
  const auto key = api::signing_key(options.secret_key, options.timestamp.substr(0, 8), options.region);
  target += "&X-Amz-Signature=" + hex(api::hmac_sha256(key, string_to_sign(options, scope, canonical)));
}

std::string aws_chunked(std::string_view text, std::size_t chunk_bytes, const api::ChunkSigning* signing,
                        std::string_view trailer) {
  std::string out;
  std::string previous = signing != nullptr ? signing->seed : "";
  const auto emit = [&](std::string_view chunk) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx", chunk.size());
    out += size;
    if (signing != nullptr) {
      const std::string text_to_sign = "AWS4-HMAC-SHA256-PAYLOAD\n" + signing->timestamp + "\n" +
                                       signing->scope + "\n" + previous + "\n" + std::string(kEmptySha256) +
                                       "\n" + sha256_hex(chunk);
      previous = hex(api::hmac_sha256(signing->key, text_to_sign));
      out += ";chunk-signature=" + previous;
    }
    out += "\r\n";
    out += chunk;
    if (!chunk.empty()) out += "\r\n";
  };
  for (std::size_t at = 0; at < text.size(); at += chunk_bytes) emit(text.substr(at, chunk_bytes));
  emit({});
  if (!trailer.empty()) {
    out.append(trailer).append("\r\n");
    if (signing != nullptr) {
      const std::string text_to_sign = "AWS4-HMAC-SHA256-TRAILER\n" + signing->timestamp + "\n" +
                                       signing->scope + "\n" + previous + "\n" +
                                       sha256_hex(std::string(trailer) + "\n");
      out += "x-amz-trailer-signature:" + hex(api::hmac_sha256(signing->key, text_to_sign)) + "\r\n";
    }
  }
  return out + "\r\n";
}

}  // namespace tests
