// Server-side encryption as requests ask for it and answers tell of it: SSE-C, SSE-S3 and SSE-KMS, the defaults of buckets,
// and the data keys of bodies.
//
// Errors    InvalidArgument, InvalidRequest, InvalidEncryptionAlgorithmError, KMS.NotFoundException, AccessDenied (a bucket
//           that blocks SSE-C); as each function says otherwise.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/call.h"
#include "api/encrypting_body.h"
#include "api/envelope.h"

namespace api {

inline constexpr std::string_view kEncryptionSetting = "encryption";  // in storage::BucketInfo::settings

// A key that a client sent with its request.
struct CustomerKey {
  SecretKeyPtr key;
  std::string md5;  // base64
};

// The three headers of an SSE-C key; `prefix` is "x-amz-" or "x-amz-copy-source-". nullopt: none of them came.
Outcome<std::optional<CustomerKey>> read_customer_key(const Call& call, std::string_view prefix = "x-amz-");

// How a new object shall be encrypted.
struct EncryptionWish {
  Envelope envelope;  // without a data key
  std::optional<CustomerKey> customer;
  bool from_request = false;  // said by the request, not by the bucket's default
};

// Of the headers, else of the bucket's default.
Outcome<EncryptionWish> read_encryption(const Call& call);

// A data key and the envelope that keeps it; without a key the bytes stay as they are.
struct Sealing {
  BodyKeys keys;
  std::string envelope;
  SealedEtag etag = SealedEtag::md5_of_plain;
};

Task<Outcome<Sealing>> make_sealing(Call& call, EncryptionWish wish);
Task<Outcome<Sealing>> make_sealing(Keyring& keyring, EncryptionWish wish);
// That of a part of an upload, whose request must spell the upload's key if that is a client's.
Task<Outcome<Sealing>> part_sealing(Call& call, std::string upload_envelope);

// The keys of a stored version's bytes; none for one that is not encrypted. `prefix` as above: where the client's key stands.
Task<Outcome<BodyKeys>> open_keys(Call& call, std::string envelope, std::string_view prefix);

// The same for a version that no client's key is needed for, whoever asks. Errors: InternalError for one of another kind.
Task<Outcome<BodyKeys>> open_keys(Keyring& keyring, std::string envelope);

// What must hold before anything of a version is told: the headers name the client's key of an SSE-C version and no key of
// any other.
Outcome<> check_reader(const Call& call, const storage::ObjectInfo& info);

// Whether the bytes of a version under `stored` serve as those of a copy under `wish` as they are.
bool shares_bytes(const std::string& stored, const EncryptionWish& wish);

// The value of x-amz-server-side-encryption; empty for keys of the client and for none.
std::string_view encryption_method(EncryptionKind kind);

// x-amz-server-side-encryption and its kin. The context is told to writers only, as S3 does.
void add_encryption_headers(const std::string& envelope, Response& response, bool with_context = false);

// A body that may have to be encrypted on its way in. `body` outlives it.
class SealedBody {
 public:
  SealedBody(storage::BodySource& body, storage::io::BufferPool& pool, const Sealing& sealing, std::uint32_t part)
      : plain_(body), keys_(sealing.keys) {
    if (keys_.inner) inner_.emplace(body, pool, *keys_.inner, part, sealing.etag);
    storage::BodySource& beneath = inner_ ? static_cast<storage::BodySource&>(*inner_) : body;
    if (keys_) sealed_.emplace(beneath, pool, *keys_.outer, part, sealing.etag);
  }
  storage::BodySource& source() { return sealed_ ? static_cast<storage::BodySource&>(*sealed_) : plain_; }

 private:
  storage::BodySource& plain_;
  BodyKeys keys_;
  std::optional<EncryptingBody> inner_;
  std::optional<EncryptingBody> sealed_;
};

// The default of a bucket, as its setting keeps it.
struct BucketEncryption {
  EncryptionKind kind = EncryptionKind::none;
  std::string key_id;
  bool bucket_key = false;
  bool blocks_customer_keys = false;

  std::string text() const;
  static BucketEncryption parse(std::string_view text);
};

}  // namespace api
