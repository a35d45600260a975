#include "api/envelope.h"

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/sealed_chunks.h"

namespace api {
namespace {

constexpr std::string_view kKinds[] = {"none", "SSE-C", "SSE-S3", "SSE-KMS"};

std::optional<EncryptionKind> kind_named(std::string_view name) {
  for (const EncryptionKind kind : {EncryptionKind::customer, EncryptionKind::store, EncryptionKind::kms}) {
    if (kKinds[static_cast<std::size_t>(kind)] == name) return kind;
  }
  return std::nullopt;
}

void add_line(std::string& text, std::string_view name, std::string_view value) {
  if (!value.empty()) text.append(name).append("=").append(value).append("\n");
}

}  // namespace

std::string Envelope::text() const {
  std::string text;
  add_line(text, "kind", kKinds[static_cast<std::size_t>(kind)]);
  add_line(text, "customer_md5", customer_md5);
  add_line(text, "key_id", to_base64(key_id));
  add_line(text, "context", context);
  add_line(text, "bucket_key", bucket_key ? "1" : "");
  add_line(text, "wrapping_key", to_base64(wrapping_key));
  add_line(text, "wrapped", to_base64(wrapped));
  return text;
}

std::optional<Envelope> Envelope::parse(std::string_view text) {
  Envelope envelope;
  while (!text.empty()) {
    std::string_view value = cut(text, '\n');
    const std::string_view name = cut(value, '=');
    if (name == "kind") {
      const auto kind = kind_named(value);
      if (!kind) return std::nullopt;
      envelope.kind = *kind;
    } else if (name == "customer_md5") {
      envelope.customer_md5 = value;
    } else if (name == "context") {
      envelope.context = value;
    } else if (name == "bucket_key") {
      envelope.bucket_key = value == "1";
    } else {
      auto raw = from_base64(value);
      if (!raw) return std::nullopt;
      if (name == "key_id") {
        envelope.key_id = std::move(*raw);
      } else if (name == "wrapping_key") {
        envelope.wrapping_key = std::move(*raw);
      } else if (name == "wrapped") {
        envelope.wrapped = std::move(*raw);
      } else {
        return std::nullopt;
      }
    }
  }
  if (envelope.kind == EncryptionKind::none || envelope.wrapped.empty()) return std::nullopt;
  return envelope;
}

// What the wrapping binds the data key to: the kind of key, and of KMS the encryption context. The name of the wrapping key
// is not part of it: who wraps anew under another one changes the name.
std::string Envelope::authenticated() const {
  std::string text = "granary data key 1\n";
  text.append(kKinds[static_cast<std::size_t>(kind)]).append("\n").append(context);
  return text;
}

SecretKey Envelope::seal(const SecretKey& key) {
  SecretKey data_key = SecretKey::random();
  wrapped = wrap_key(key, data_key, authenticated());
  return data_key;
}

std::optional<SecretKey> Envelope::open(const SecretKey& key) const {
  return unwrap_key(key, wrapped, authenticated());
}

}  // namespace api
