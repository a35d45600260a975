#include "api/envelope.h"

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/sealed_chunks.h"

namespace api {
namespace {

constexpr std::string_view kKinds[] = {"none", "SSE-C", "SSE-S3", "SSE-KMS", "DSSE-KMS"};

// Binds a wrapped key to its place, so that the keys of the two layers cannot be exchanged.
constexpr std::string_view kInnerLayer = "\ninner";

std::optional<EncryptionKind> kind_named(std::string_view name) {
  for (const EncryptionKind kind :
       {EncryptionKind::customer, EncryptionKind::store, EncryptionKind::kms, EncryptionKind::kms_double}) {
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
  add_line(text, "wrapped_inner", to_base64(wrapped_inner));
  add_line(text, "whole_first", whole_first ? "1" : "");
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
    } else if (name == "whole_first") {
      envelope.whole_first = value == "1";
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
      } else if (name == "wrapped_inner") {
        envelope.wrapped_inner = std::move(*raw);
      } else {
        return std::nullopt;
      }
    }
  }
  if (envelope.kind == EncryptionKind::none || envelope.wrapped.empty()) return std::nullopt;
  if (envelope.wrapped_inner.empty() == (envelope.kind == EncryptionKind::kms_double)) return std::nullopt;
  return envelope;
}

// What the wrapping binds the data key to: the kind of key, and of KMS the encryption context. The name of the wrapping key
// is not part of it: who wraps anew under another one changes the name.
std::string Envelope::authenticated(std::string_view layer) const {
  std::string text = "granary data key 1\n";
  text.append(kKinds[static_cast<std::size_t>(kind)]).append("\n").append(context).append(layer);
  return text;
}

BodyKeys Envelope::seal(const SecretKey& key) {
  BodyKeys keys;
  keys.outer = std::make_shared<const SecretKey>(SecretKey::random());
  wrapped = wrap_key(key, *keys.outer, authenticated({}));
  if (kind != EncryptionKind::kms_double) return keys;
  keys.inner = std::make_shared<const SecretKey>(SecretKey::random());
  wrapped_inner = wrap_key(key, *keys.inner, authenticated(kInnerLayer));
  return keys;
}

std::optional<BodyKeys> Envelope::open(const SecretKey& key) const {
  auto outer = unwrap_key(key, wrapped, authenticated({}));
  if (!outer) return std::nullopt;
  BodyKeys keys;
  keys.whole_first = whole_first;
  keys.outer = std::make_shared<const SecretKey>(std::move(*outer));
  if (kind != EncryptionKind::kms_double) return keys;
  auto inner = unwrap_key(key, wrapped_inner, authenticated(kInnerLayer));
  if (!inner) return std::nullopt;
  keys.inner = std::make_shared<const SecretKey>(std::move(*inner));
  return keys;
}

}  // namespace api
