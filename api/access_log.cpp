#include "api/access_log.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "api/access/bucket_access.h"
#include "api/ascii.h"
#include "api/call.h"
#include "api/checksum.h"
#include "api/encoding.h"
#include "api/encryption.h"
#include "api/http_date.h"
#include "api/xml_reader.h"
#include "storage/base/log.h"

namespace api {
namespace {

// Lines as the body of an object.
class LinesBody final : public storage::BodySource {
 public:
  explicit LinesBody(std::string_view lines) : lines_(lines), checksum_(ChecksumAlgorithm::crc64nvme) {}

  storage::Task<storage::Result<std::size_t>> read(std::span<std::byte> into) override {
    const std::size_t count = std::min(into.size(), lines_.size() - at_);
    std::memcpy(into.data(), lines_.data() + at_, count);
    at_ += count;
    if (count > 0) {
      md5_.update(into.first(count));
      checksum_.update(into.first(count));
      co_return count;
    }
    digests_.md5 = md5_.finish();
    digests_.checksum.algorithm = ChecksumAlgorithm::crc64nvme;
    digests_.checksum.value = checksum_.finish();
    co_return std::size_t{0};
  }
  std::optional<std::uint64_t> declared_length() const override { return lines_.size(); }
  storage::BodyDigests digests() const override { return digests_; }

 private:
  std::string_view lines_;
  std::size_t at_ = 0;
  Md5 md5_;
  ChecksumHasher checksum_;
  storage::BodyDigests digests_;
};

// "24/May/2013:00:00:00 +0000", from "Fri, 24 May 2013 00:00:00 GMT".
std::string log_time(std::int64_t now_ms) {
  const std::string http = http_date(now_ms);
  return http.substr(5, 2) + "/" + http.substr(8, 3) + "/" + http.substr(12, 4) + ":" + http.substr(17, 8) + " +0000";
}

void add_field(std::string& line, std::string_view value) {
  if (!line.empty()) line += ' ';
  line += value.empty() ? std::string_view("-") : value;
}

// Quoted; what could end the quotes or the line is written as an escape.
void add_quoted(std::string& line, std::string_view value) {
  if (value.empty()) return add_field(line, "\"-\"");
  line += " \"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || byte < 0x20 || byte == 0x7f) {
      constexpr char kHex[] = "0123456789abcdef";
      line.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    } else {
      line += c;
    }
  }
  line += '"';
}

// REST.GET.OBJECT and the like.
std::string operation_of(const Call& call) {
  const Route& route = *call.route;
  std::string name = "REST.";
  name += route.copy ? std::string_view("COPY") : route.method;
  name += '.';
  std::string resource(route.sub_resource);
  if (resource.empty()) resource = route.scope == Scope::object ? "OBJECT" : "BUCKET";
  if (resource == "uploadId") resource = route.method == "PUT" ? "PART" : "UPLOAD";
  if (resource == "delete") resource = "MULTI_OBJECT_DELETE";
  for (char c : resource) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  return name;
}

std::string two_texts(std::string_view a, std::string_view b) { return std::string(a) + std::string(b); }

}  // namespace

namespace {

// FULL_CONTROL, READ or WRITE, to users and groups.
Outcome<std::vector<Grant>> parse_target_grants(XmlElement& list, const UserFinder& users) {
  auto grants = parse_grants(list, users);
  if (!grants) {
    if (grants.error().error() == S3Error::malformed_acl) return S3Error::malformed_xml;
    return grants.error();
  }
  for (std::size_t i = 0; i < grants->size(); ++i) {
    const Grant& grant = (*grants)[i];
    if (grant.permission == Permission::read_acp || grant.permission == Permission::write_acp) return S3Error::malformed_xml;
    if (grant.grantee != Grantee::user) continue;
    for (XmlElement& child : list.children[i].children) {
      if (child.name == "Grantee") child.children = {XmlElement{"ID", grant.id, {}}};
    }
  }
  return grants;
}

}  // namespace

Outcome<LoggingTarget> parse_logging(XmlElement& document, const UserFinder& users) {
  if (document.children.size() != 1 || document.children.front().name != "LoggingEnabled") return S3Error::malformed_xml;
  XmlElement* const enabled = &document.children.front();
  LoggingTarget target;
  const auto bucket = child_text(*enabled, "TargetBucket");
  const auto prefix = child_text(*enabled, "TargetPrefix");
  if (!bucket || !prefix || !*bucket || !*prefix) return S3Error::malformed_xml;
  target.bucket = **bucket;
  target.prefix = **prefix;
  if (target.prefix.size() > storage::kKeyBytesMax / 2 || (!target.prefix.empty() && !check_key(target.prefix))) {
    return S3Error::malformed_xml;
  }
  for (XmlElement& child : enabled->children) {
    if (child.name == "TargetBucket" || child.name == "TargetPrefix") continue;
    if (child.name == "TargetGrants") {
      auto grants = parse_target_grants(child, users);
      if (!grants) return grants.error();
      target.grants = std::move(*grants);
      continue;
    }
    if (child.name != "TargetObjectKeyFormat" || child.children.size() != 1) return S3Error::malformed_xml;
    const XmlElement& format = child.children.front();
    if (format.name != "SimplePrefix" && format.name != "PartitionedPrefix") return S3Error::malformed_xml;
    target.partitioned = format.name == "PartitionedPrefix";
    const auto source = child_text(format, "PartitionDateSource");
    if (!source || (*source && **source != "EventTime" && **source != "DeliveryTime")) return S3Error::malformed_xml;
  }
  return target;
}

std::shared_ptr<const LoggingTarget> stored_logging(std::string_view text) {
  auto document = parse_xml(text, "BucketLoggingStatus");
  if (!document) return nullptr;
  // Who is meant was found out when the text came.
  const UserFinder any{[](std::string_view) { return true; }, [](std::string_view) { return std::nullopt; }};
  auto target = parse_logging(*document, any);
  if (!target) return nullptr;
  return std::make_shared<const LoggingTarget>(std::move(*target));
}

std::string access_log_line(const Call& call, const Response& response, std::string_view error, std::int64_t now_ms,
                            std::int64_t took_ms) {
  const Request& request = call.request;
  const bool whole = response.status == 200 && request.method == "GET" && call.route->handler != nullptr &&
                     call.route->scope == Scope::object && call.route->sub_resource.empty();
  std::string line;
  add_field(line, call.bucket->owner_id);
  add_field(line, call.bucket->name);
  add_field(line, "[" + log_time(now_ms) + "]");
  add_field(line, request.peer);
  add_field(line, call.anonymous() ? std::string_view() : std::string_view(call.user().id));
  add_field(line, request.request_id);
  add_field(line, operation_of(call));
  add_field(line, percent_encode(call.target.key, Slash::keep));
  // The signature of a presigned request is no business of those who read logs.
  const std::string_view path = request.target.substr(0, request.target.find('?'));
  const bool presigned = call.target.has("X-Amz-Signature") || call.target.has("Signature");
  add_quoted(line, two_texts(request.method, " ") + std::string(presigned ? path : request.target) + " HTTP/1.1");
  add_field(line, to_decimal(response.status));
  add_field(line, error);
  add_field(line, response.head_only || response.content_length == 0 ? "" : to_decimal(response.content_length));
  add_field(line, whole ? to_decimal(response.content_length) : "");
  add_field(line, to_decimal(static_cast<std::uint64_t>(std::max<std::int64_t>(took_ms, 0))));
  add_field(line, "");
  add_quoted(line, request.header("referer").value_or(""));
  add_quoted(line, request.header("user-agent").value_or(""));
  add_field(line, percent_encode(call.target.parameter("versionId").value_or(""), Slash::encode));
  add_field(line, host_id(request.request_id));
  add_field(line, call.anonymous() ? "" : (call.identity.signature_version == "AWS" ? "SigV2" : "SigV4"));
  add_field(line, "");
  add_field(line, call.identity.auth_type == "REST-HEADER"         ? "AuthHeader"
                  : call.identity.auth_type == "REST-QUERY-STRING" ? "QueryString"
                                                                   : "");
  add_field(line, percent_encode(request.header("host").value_or(""), Slash::encode));
  add_field(line, request.tls ? "TLS" : "");
  add_field(line, "");
  add_field(line, "");
  line += '\n';
  return line;
}

void AccessLog::add(const storage::BucketInfo& source, const LoggingTarget& target, std::string_view region,
                    std::string line) {
  const std::scoped_lock lock(mutex_);
  if (bytes_ + line.size() > kBytesMax) {
    ++dropped_;
    return;
  }
  bytes_ += line.size();
  Batch& batch = batches_[source.name];
  batch.target = target;
  batch.owner_id = source.owner_id;
  batch.region = region;
  batch.lines += line;
}

storage::Task<> AccessLog::flush() {
  std::map<std::string, Batch, std::less<>> batches;
  std::uint64_t dropped = 0;
  {
    const std::scoped_lock lock(mutex_);
    batches.swap(batches_);
    std::swap(dropped, dropped_);
    bytes_ = 0;
  }
  if (dropped > 0) storage::log_warn("access_log_lines_dropped", {{"lines", dropped}});
  for (const auto& [source, batch] : batches) {
    const auto written = co_await write(source, batch);
    if (written) continue;
    storage::log_warn("access_log_failed",
                      {{"bucket", source}, {"target", batch.target.bucket}, {"error", written.error().message()}});
  }
}

storage::Task<storage::Result<>> AccessLog::write(const std::string& source, const Batch& batch) {
  const auto bucket = co_await store_.bucket(batch.target.bucket);
  if (!bucket) co_return bucket.error();
  // The target may be another bucket of that name by now.
  if ((*bucket)->owner_id != batch.owner_id) co_return make_error_code(S3Error::access_denied);
  EncryptionWish wish;
  const auto setting = (*bucket)->settings.find(kEncryptionSetting);
  if (setting != (*bucket)->settings.end()) wish.envelope.kind = BucketEncryption::parse(setting->second).kind;
  if (is_kms(wish.envelope.kind)) co_return make_error_code(S3Error::not_implemented);
  const auto sealing = co_await make_sealing(keyring_, std::move(wish));
  if (!sealing) co_return make_error_code(sealing.error().error());

  const std::int64_t now_ms = clock_.wall_ms();
  const std::string iso = iso_date(now_ms);  // 2013-05-24T00:00:00.000Z
  unsigned char random[8];
  if (RAND_bytes(random, sizeof random) != 1) throw std::runtime_error("no random bytes for the name of a log");
  storage::ObjectKey key{batch.target.bucket, batch.target.prefix};
  if (batch.target.partitioned) {
    key.key += batch.owner_id + "/" + batch.region + "/" + source + "/" + iso.substr(0, 4) + "/" + iso.substr(5, 2) +
               "/" + iso.substr(8, 2) + "/";
  }
  key.key += iso.substr(0, 10) + "-" + iso.substr(11, 2) + "-" + iso.substr(14, 2) + "-" + iso.substr(17, 2) + "-";
  key.key += to_hex({reinterpret_cast<const char*>(random), sizeof random});
  storage::PutOptions options;
  options.attributes.content_type = "text/plain";
  options.controls.encryption = sealing->envelope;
  if (!batch.target.grants.empty() && ownership_of(**bucket) != Ownership::bucket_owner_enforced) {
    Acl acl;
    acl.grants.push_back(Grant{Grantee::user, batch.owner_id, Permission::full_control});
    acl.grants.insert(acl.grants.end(), batch.target.grants.begin(), batch.target.grants.end());
    options.controls.acl = write_acl_text(acl, batch.owner_id);
  }
  LinesBody lines(batch.lines);
  SealedBody sealed(lines, store_.request_pool(), *sealing, 0);
  const auto put = co_await store_.put(std::move(key), std::move(options), sealed.source());
  if (!put) co_return put.error();
  co_return storage::success();
}

}  // namespace api
