#include "api/encryption.h"

#include <openssl/crypto.h>

#include "api/ascii.h"
#include "api/digest.h"
#include "api/encoding.h"
#include "api/json_text.h"
#include "api/keyring.h"
#include "storage/base/log.h"

namespace api {
namespace {

constexpr std::string_view kHeader = "x-amz-server-side-encryption";
constexpr std::string_view kKeyIdHeader = "x-amz-server-side-encryption-aws-kms-key-id";
constexpr std::string_view kContextHeader = "x-amz-server-side-encryption-context";
constexpr std::string_view kBucketKeyHeader = "x-amz-server-side-encryption-bucket-key-enabled";
constexpr std::size_t kKeyIdBytesMax = 2048;
constexpr std::size_t kContextBytesMax = 8192;

Failure insecure(std::string_view what) {
  std::string message = "Requests specifying Server Side Encryption with ";
  message.append(what).append(" keys must be made over a secure connection.");
  return {what.starts_with("Customer") ? S3Error::invalid_request : S3Error::invalid_argument, std::move(message)};
}

Failure customer_argument(std::string_view header, std::string_view sentence) {
  return invalid_argument(header, "", std::string(sentence));
}

bool secure(const Call& call) { return call.request.tls || call.options.encryption.allow_http; }

}  // namespace

Outcome<std::optional<CustomerKey>> read_customer_key(const Call& call, std::string_view prefix) {
  const std::string stem = std::string(prefix) + "server-side-encryption-customer-";
  const auto algorithm = call.header(stem + "algorithm");
  const auto key = call.header(stem + "key");
  const auto md5 = call.header(stem + "key-md5");
  if (!algorithm && !key && !md5) return std::optional<CustomerKey>();
  if (!secure(call)) return insecure("Customer provided");
  if (!key || key->empty()) {
    return customer_argument(stem + "key",
                             "Requests specifying Server Side Encryption with Customer provided keys must provide an "
                             "appropriate secret key.");
  }
  if (!md5 || md5->empty()) {
    return customer_argument(stem + "key-MD5",
                             "Requests specifying Server Side Encryption with Customer provided keys must provide the "
                             "client calculated MD5 of the secret key.");
  }
  if (!algorithm || algorithm->empty()) {
    return customer_argument(stem + "algorithm",
                             "Requests specifying Server Side Encryption with Customer provided keys must provide a "
                             "valid encryption algorithm.");
  }
  if (*algorithm != "AES256") return S3Error::invalid_encryption_algorithm;
  auto secret = SecretKey::from_base64(*key);
  if (!secret) return customer_argument(stem + "key", "The secret key was invalid for the specified algorithm.");
  Md5 digest;
  digest.update(std::as_bytes(secret->bytes()));
  CustomerKey customer;
  customer.md5 = to_base64(digest.finish());
  if (customer.md5 != *md5) {
    return customer_argument(stem + "key-MD5",
                             "The calculated MD5 hash of the key did not match the hash that was provided.");
  }
  customer.key = std::make_shared<const SecretKey>(std::move(*secret));
  return std::optional<CustomerKey>(std::move(customer));
}

namespace {

BucketEncryption bucket_default(const Call& call) {
  if (!call.bucket) return {};
  const auto setting = call.bucket->settings.find(kEncryptionSetting);
  return setting == call.bucket->settings.end() ? BucketEncryption{} : BucketEncryption::parse(setting->second);
}

Outcome<bool> read_bucket_key(const Call& call, bool fallback) {
  const auto text = call.header(kBucketKeyHeader);
  if (!text) return fallback;
  if (equals_caseless(*text, "true")) return true;
  if (equals_caseless(*text, "false")) return false;
  return invalid_argument(kBucketKeyHeader, *text);
}

// The key that KMS would know by `key_id`, or the default one.
Outcome<> name_kms_key(const Call& call, std::string_view key_id, Envelope& envelope) {
  if (!secure(call)) return insecure("AWS KMS managed");
  Keyring::Named named;
  if (key_id.empty()) {
    named = call.keyring->default_key();
    if (!named.key) {
      return invalid_argument(kKeyIdHeader, "", "No KMS key is named, and this store has no default one.");
    }
    envelope.key_id = named.name;
  } else {
    named = call.keyring->find(key_id);
    if (!named.key) {
      return Failure(S3Error::kms_not_found, "Invalid keyId '" + std::string(key_id) + "'");
    }
    envelope.key_id = key_id;
  }
  envelope.wrapping_key = named.name;
  return done();
}

Outcome<> read_kms(const Call& call, const BucketEncryption& bucket, EncryptionWish& wish) {
  Envelope& envelope = wish.envelope;
  std::string_view key_id = call.header(kKeyIdHeader).value_or("");
  const bool bucket_is_kms = is_kms(bucket.kind);
  if (key_id.empty() && bucket_is_kms) key_id = bucket.key_id;
  if (key_id.size() > kKeyIdBytesMax || !is_header_safe(key_id)) return invalid_argument(kKeyIdHeader, key_id);
  if (auto named = name_kms_key(call, key_id, envelope); !named) return named.error();
  const auto bucket_key = read_bucket_key(call, bucket_is_kms && bucket.bucket_key);
  if (!bucket_key) return bucket_key.error();
  if (*bucket_key && envelope.kind == EncryptionKind::kms_double && call.header(kBucketKeyHeader)) {
    return invalid_argument(kBucketKeyHeader, "true", "Bucket keys are not supported for DSSE-KMS.");
  }
  envelope.bucket_key = *bucket_key && envelope.kind == EncryptionKind::kms;
  if (const auto context = call.header(kContextHeader)) {
    const auto raw = from_base64(*context);
    if (!raw || context->size() > kContextBytesMax || !is_json_string_map(*raw)) {
      return invalid_argument(kContextHeader, *context,
                              "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string "
                              "holding JSON which represents a string-string map");
    }
    envelope.context = *context;
  }
  return done();
}

Outcome<EncryptionWish> customer_wish(const Call& call, CustomerKey customer, const BucketEncryption& bucket) {
  if (call.header(kHeader) || call.header(kKeyIdHeader)) {
    return invalid_argument(kHeader, call.header(kHeader).value_or(""),
                            "Server Side Encryption with Customer provided key is incompatible with the encryption "
                            "method specified");
  }
  if (bucket.blocks_customer_keys) {
    return Failure(S3Error::access_denied, "Encryption with customer-provided keys is blocked for this bucket.");
  }
  EncryptionWish wish;
  wish.from_request = true;
  wish.envelope.kind = EncryptionKind::customer;
  wish.envelope.customer_md5 = customer.md5;
  wish.customer = std::move(customer);
  return wish;
}

}  // namespace

Outcome<EncryptionWish> read_encryption(const Call& call) {
  const BucketEncryption bucket = bucket_default(call);
  auto customer = read_customer_key(call);
  if (!customer) return customer.error();
  if (*customer) return customer_wish(call, std::move(**customer), bucket);
  EncryptionWish wish;
  const auto method = call.header(kHeader);
  if (!method) {
    if (call.header(kKeyIdHeader) || call.header(kContextHeader)) {
      return invalid_argument(kKeyIdHeader, call.header(kKeyIdHeader).value_or(""),
                              "Server Side Encryption with AWS KMS managed key requires HTTP header "
                              "x-amz-server-side-encryption : aws:kms");
    }
    wish.envelope.kind = bucket.kind;
    if (!is_kms(bucket.kind)) return wish;
    if (auto read = read_kms(call, bucket, wish); !read) return read.error();
    return wish;
  }
  wish.from_request = true;
  if (*method == "AES256") {
    if (call.header(kKeyIdHeader) || call.header(kContextHeader)) {
      return invalid_argument(kHeader, *method,
                              "Server Side Encryption with AWS KMS managed key requires HTTP header "
                              "x-amz-server-side-encryption : aws:kms");
    }
    wish.envelope.kind = EncryptionKind::store;
    return wish;
  }
  if (*method != "aws:kms" && *method != "aws:kms:dsse") {
    return invalid_argument(kHeader, *method, "The encryption method specified is not supported");
  }
  wish.envelope.kind = *method == "aws:kms" ? EncryptionKind::kms : EncryptionKind::kms_double;
  if (auto read = read_kms(call, bucket, wish); !read) return read.error();
  return wish;
}

namespace {

// The key that wraps the data key of `envelope`, where it is the store's or a configured one.
Task<Outcome<SecretKeyPtr>> wrapping_key(Keyring& keyring, const Envelope& envelope) {
  if (envelope.kind == EncryptionKind::store) {
    const auto key = co_await keyring.store_key();
    if (!key) co_return key.error();
    co_return *key;
  }
  const Keyring::Named named = keyring.find(envelope.wrapping_key);
  if (named.key) co_return named.key;
  co_return Failure(S3Error::kms_not_found, "Invalid keyId '" + envelope.key_id + "'");
}

Failure damaged_envelope() {
  storage::log_error("encryption_envelope_damaged");
  return S3Error::internal_error;
}

}  // namespace

Task<Outcome<Sealing>> make_sealing(Call& call, EncryptionWish wish) {
  co_return co_await make_sealing(*call.keyring, std::move(wish));
}

Task<Outcome<Sealing>> make_sealing(Keyring& keyring, EncryptionWish wish) {
  Sealing sealing;
  if (wish.envelope.kind == EncryptionKind::none) co_return sealing;
  SecretKeyPtr wrapping;
  if (wish.customer) {
    wrapping = wish.customer->key;
  } else {
    auto found = co_await wrapping_key(keyring, wish.envelope);
    if (!found) co_return found.error();
    wrapping = std::move(*found);
  }
  sealing.keys = wish.envelope.seal(*wrapping);
  sealing.envelope = wish.envelope.text();
  if (wish.envelope.kind != EncryptionKind::store) sealing.etag = SealedEtag::random;
  co_return sealing;
}

Task<Outcome<BodyKeys>> open_keys(Call& call, std::string text, std::string_view prefix) {
  auto customer = read_customer_key(call, prefix);
  if (!customer) co_return customer.error();
  const auto envelope = text.empty() ? std::optional<Envelope>() : Envelope::parse(text);
  if (!text.empty() && !envelope) co_return damaged_envelope();
  const bool wants_customer = envelope && envelope->kind == EncryptionKind::customer;
  if (*customer && !wants_customer) {
    co_return Failure(S3Error::invalid_request, "The encryption parameters are not applicable to this object.");
  }
  if (!envelope) co_return BodyKeys();
  SecretKeyPtr wrapping;
  if (wants_customer) {
    if (!*customer) {
      co_return Failure(S3Error::invalid_request,
                        "The object was stored using a form of Server Side Encryption. The correct parameters must be "
                        "provided to retrieve the object.");
    }
    wrapping = (*customer)->key;
  } else {
    auto found = co_await wrapping_key(*call.keyring, *envelope);
    if (!found) co_return found.error();
    wrapping = std::move(*found);
  }
  auto keys = envelope->open(*wrapping);
  if (keys) co_return std::move(*keys);
  if (!wants_customer) co_return damaged_envelope();
  co_return Failure(S3Error::invalid_request,
                    "The provided encryption parameters did not match the ones used originally.");
}

Task<Outcome<BodyKeys>> open_keys(Keyring& keyring, std::string text) {
  const auto envelope = Envelope::parse(text);
  if (!envelope || envelope->kind == EncryptionKind::customer) co_return damaged_envelope();
  auto wrapping = co_await wrapping_key(keyring, *envelope);
  if (!wrapping) co_return wrapping.error();
  auto keys = envelope->open(**wrapping);
  if (!keys) co_return damaged_envelope();
  co_return std::move(*keys);
}

Task<Outcome<Sealing>> part_sealing(Call& call, std::string upload_envelope) {
  const auto method = call.header(kHeader);
  const auto envelope = Envelope::parse(upload_envelope);
  if (method) {
    // S3 takes these headers at Create only; some clients repeat them, which says nothing new.
    const bool repeats = envelope && ((envelope->kind == EncryptionKind::store && *method == "AES256") ||
                                      (envelope->kind == EncryptionKind::kms && *method == "aws:kms") ||
                                      (envelope->kind == EncryptionKind::kms_double && *method == "aws:kms:dsse"));
    if (!repeats) {
      co_return invalid_argument(kHeader, *method,
                                 "x-amz-server-side-encryption header is not supported for this operation.");
    }
  }
  auto customer = read_customer_key(call);
  if (!customer) co_return customer.error();
  const bool wants_customer = envelope && envelope->kind == EncryptionKind::customer;
  if (wants_customer && !*customer) {
    co_return Failure(S3Error::invalid_request,
                      "The multipart upload initiate requested encryption. Subsequent part requests must include the "
                      "appropriate encryption parameters.");
  }
  if (!wants_customer && *customer) {
    co_return Failure(S3Error::invalid_request,
                      "The multipart upload initiate did not request encryption. Please resend the request without "
                      "sending encryption parameters.");
  }
  auto keys = co_await open_keys(call, upload_envelope, "x-amz-");
  if (!keys) co_return keys.error();
  Sealing sealing;
  sealing.keys = std::move(*keys);
  sealing.envelope = std::move(upload_envelope);
  if (envelope && envelope->kind != EncryptionKind::store) sealing.etag = SealedEtag::random;
  co_return sealing;
}

namespace {

bool mentions_encryption(const Call& call) {
  for (const HeaderField& field : call.request.headers) {
    if (starts_with_caseless(field.name, kHeader)) return true;
  }
  for (const QueryParameter& parameter : call.target.query) {
    if (starts_with_caseless(parameter.name, kHeader)) return true;
  }
  return false;
}

}  // namespace

Outcome<> check_reader(const Call& call, const storage::ObjectInfo& info) {
  // The way of nearly every read: it costs one look at the headers.
  if (info.controls.encryption.empty() && !mentions_encryption(call)) return done();
  if (const auto method = call.header(kHeader)) {
    return invalid_argument(kHeader, *method,
                            "x-amz-server-side-encryption header is not supported for this operation.");
  }
  const std::string& text = info.controls.encryption;
  const auto customer = read_customer_key(call);
  if (!customer) return customer.error();
  if (text.empty()) {
    if (!*customer) return done();
    return Failure(S3Error::invalid_request, "The encryption parameters are not applicable to this object.");
  }
  const auto envelope = Envelope::parse(text);
  if (!envelope) return damaged_envelope();
  if (is_kms(envelope->kind) && !secure(call)) return insecure("AWS KMS managed");
  if (envelope->kind != EncryptionKind::customer) {
    if (!*customer) return done();
    return Failure(S3Error::invalid_request, "The encryption parameters are not applicable to this object.");
  }
  if (!*customer) {
    return Failure(S3Error::invalid_request,
                   "The object was stored using a form of Server Side Encryption. The correct parameters must be "
                   "provided to retrieve the object.");
  }
  if ((*customer)->md5 != envelope->customer_md5) {
    return Failure(S3Error::invalid_request,
                   "The provided encryption parameters did not match the ones used originally.");
  }
  return done();
}

bool shares_bytes(const std::string& stored, const EncryptionWish& wish) {
  if (stored.empty()) return wish.envelope.kind == EncryptionKind::none;
  const auto envelope = Envelope::parse(stored);
  if (!envelope || envelope->kind != wish.envelope.kind) return false;
  return envelope->customer_md5 == wish.envelope.customer_md5 && envelope->key_id == wish.envelope.key_id &&
         envelope->context == wish.envelope.context && envelope->bucket_key == wish.envelope.bucket_key;
}

std::string_view encryption_method(EncryptionKind kind) {
  switch (kind) {
    case EncryptionKind::store:
      return "AES256";
    case EncryptionKind::kms:
      return "aws:kms";
    case EncryptionKind::kms_double:
      return "aws:kms:dsse";
    case EncryptionKind::none:
    case EncryptionKind::customer:
      break;
  }
  return {};
}

void add_encryption_headers(const std::string& text, Response& response, bool with_context) {
  if (text.empty()) return;
  const auto envelope = Envelope::parse(text);
  if (!envelope) return;
  switch (envelope->kind) {
    case EncryptionKind::none:
      return;
    case EncryptionKind::customer:
      response.add_header("x-amz-server-side-encryption-customer-algorithm", "AES256");
      response.add_header("x-amz-server-side-encryption-customer-key-MD5", envelope->customer_md5);
      return;
    case EncryptionKind::store:
      response.add_header(kHeader, encryption_method(envelope->kind));
      return;
    case EncryptionKind::kms:
    case EncryptionKind::kms_double:
      response.add_header(kHeader, encryption_method(envelope->kind));
      response.add_header(kKeyIdHeader, envelope->key_id);
      if (envelope->bucket_key) response.add_header(kBucketKeyHeader, "true");
      if (with_context && !envelope->context.empty()) response.add_header(kContextHeader, envelope->context);
      return;
  }
}

std::string BucketEncryption::text() const {
  std::string text;
  text = encryption_method(kind);
  text.append("\n").append(key_id).append("\n");
  text.append(bucket_key ? "1" : "0").append("\n").append(blocks_customer_keys ? "1" : "0");
  return text;
}

BucketEncryption BucketEncryption::parse(std::string_view text) {
  BucketEncryption encryption;
  const std::string_view algorithm = cut(text, '\n');
  for (const EncryptionKind kind : {EncryptionKind::store, EncryptionKind::kms, EncryptionKind::kms_double}) {
    if (algorithm == encryption_method(kind)) encryption.kind = kind;
  }
  encryption.key_id = cut(text, '\n');
  encryption.bucket_key = cut(text, '\n') == "1";
  encryption.blocks_customer_keys = cut(text, '\n') == "1";
  return encryption;
}

}  // namespace api
