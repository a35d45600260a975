// PostObject: a form that a browser sends. Its fields become the headers of a PutObject, its file the body: so whatever a PUT
// can say, a form can say too, and it is checked in one place.
#include <cstring>

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/form_parser.h"
#include "api/operations/operations.h"
#include "api/virtual/virtual_key.h"
#include "api/operations/results.h"
#include "api/authorization.h"
#include "api/post_policy.h"
#include "api/tags.h"
#include "api/xml_reader.h"
#include "api/xml_writer.h"

namespace api {
namespace {

constexpr std::size_t kFieldBytesMax = 20 * 1024;  // of all fields before the file, names included: S3's bound
constexpr std::size_t kFieldsMax = 200;
constexpr std::size_t kAfterFileBytesMax = 64 * 1024;  // what may follow the file, read and forgotten

// The bytes of a request, cut into the pieces of its form.
class FormReader {
 public:
  FormReader(HttpBody& body, std::string_view boundary) : body_(body), parser_(boundary) {}

  // Never `more`.
  Task<storage::Result<FormParser::Step>> next() {
    for (;;) {
      const FormParser::Step step = parser_.next();
      if (step != FormParser::Step::more) co_return step;
      const auto got = co_await body_.read(parser_.room());
      if (!got) co_return got.error();
      if (*got == 0) {
        parser_.end();
        body_ended_ = true;
      } else {
        parser_.add(*got);
      }
    }
  }

  // Reads what follows the form, so that the connection can be used again and a request that was cut short is seen.
  Task<storage::Result<>> drain() {
    std::size_t drained = 0;
    std::byte scrap[4096];
    while (!body_ended_) {
      const auto got = co_await body_.read(scrap);
      if (!got) co_return got.error();
      if (*got == 0) break;
      drained += *got;
      if (drained > kAfterFileBytesMax) co_return make_error_code(S3Error::malformed_post_request);
    }
    body_ended_ = true;
    co_return storage::success();
  }

  const FormParser& parser() const { return parser_; }

 private:
  HttpBody& body_;
  FormParser parser_;
  bool body_ended_ = false;
};

// The file of a form as the body of a request.
class FileBody final : public HttpBody {
 public:
  FileBody(FormReader& form, LengthRange range) : form_(form), range_(range) {}

  Task<storage::Result<std::size_t>> read(std::span<std::byte> into) override {
    if (piece_.empty()) {
      const auto step = co_await form_.next();
      if (!step) co_return step.error();
      if (*step == FormParser::Step::part_end) co_return co_await finish();
      if (*step != FormParser::Step::bytes) co_return make_error_code(S3Error::malformed_post_request);
      piece_ = form_.parser().piece();
      length_ += piece_.size();
      if (length_ > range_.max) co_return make_error_code(S3Error::entity_too_large);
    }
    const std::size_t count = std::min(into.size(), piece_.size());
    std::memcpy(into.data(), piece_.data(), count);
    piece_.remove_prefix(count);
    co_return count;
  }
  std::optional<std::uint64_t> content_length() const override { return std::nullopt; }
  bool chunked() const override { return true; }

 private:
  Task<storage::Result<std::size_t>> finish() {
    if (length_ < range_.min) co_return make_error_code(S3Error::entity_too_small);
    const auto after = co_await form_.next();
    if (!after) co_return after.error();
    if (*after == FormParser::Step::malformed) co_return make_error_code(S3Error::malformed_post_request);
    const auto drained = co_await form_.drain();
    if (!drained) co_return drained.error();
    co_return std::size_t{0};
  }

  FormReader& form_;
  LengthRange range_;
  std::string_view piece_;
  std::uint64_t length_ = 0;
};

struct Form {
  FormFields fields;
  std::string filename;
  std::string file_type;
};

// Everything up to the file's first byte.
Task<Outcome<Form>> read_fields(FormReader& reader) {
  Form form;
  std::size_t bytes = 0;
  for (;;) {
    const auto begun = co_await reader.next();
    if (!begun) co_return begun.error();
    if (*begun == FormParser::Step::done) {
      co_return Failure(S3Error::invalid_argument, "POST requires exactly one file upload per request.")
          .with("ArgumentName", "file")
          .with("ArgumentValue", "0");
    }
    if (*begun != FormParser::Step::part) co_return S3Error::malformed_post_request;
    const FormPart& part = reader.parser().part();
    if (equals_caseless(part.name, "file")) {
      form.filename = part.filename;
      form.file_type = part.content_type;
      co_return form;
    }
    auto& [name, value] = form.fields.all.emplace_back(part.name, std::string());
    bytes += name.size();
    for (;;) {
      const auto step = co_await reader.next();
      if (!step) co_return step.error();
      if (*step == FormParser::Step::part_end) break;
      if (*step != FormParser::Step::bytes) co_return S3Error::malformed_post_request;
      bytes += reader.parser().piece().size();
      if (bytes > kFieldBytesMax) co_return S3Error::max_post_pre_data_length_exceeded;
      value += reader.parser().piece();
    }
    if (bytes > kFieldBytesMax || form.fields.all.size() > kFieldsMax) {
      co_return S3Error::max_post_pre_data_length_exceeded;
    }
  }
}

// The key, with ${filename} filled in. Errors: InvalidArgument, KeyTooLongError, InvalidURI.
Outcome<std::string> key_of(const Form& form) {
  const std::string* const given = form.fields.find("key");
  if (given == nullptr || given->empty()) {
    return Failure(S3Error::invalid_argument,
                   "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the "
                   "fields.")
        .with("ArgumentName", "key");
  }
  constexpr std::string_view kVariable = "${filename}";
  // Some browsers send the whole path of the file; the key takes its name.
  const std::string_view path = form.filename;
  const std::size_t slash = path.find_last_of("/\\");
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  std::string key;
  std::string_view rest = *given;
  for (std::size_t at = rest.find(kVariable); at != std::string_view::npos; at = rest.find(kVariable)) {
    key.append(rest.substr(0, at)).append(name);
    rest = rest.substr(at + kVariable.size());
    if (key.size() > storage::kKeyBytesMax) return S3Error::key_too_long;
  }
  key += rest;
  if (auto checked = check_key(key); !checked) return checked.error();
  return key;
}

// The <Tagging> of a form as the header says it.
Outcome<std::string> tagging_header(const std::string& document) {
  const auto parsed = parse_xml(document, "Tagging");
  if (!parsed) return parsed.error();
  const auto tags = parse_tagging(*parsed);
  if (!tags) return tags.error();
  std::string header;
  for (const auto& [name, value] : *tags) {
    if (!header.empty()) header += '&';
    header.append(percent_encode(name, Slash::encode)).append("=").append(percent_encode(value, Slash::encode));
  }
  return header;
}

// Whether a field of that name (lower case) is a header of the PUT that the form stands for.
bool is_header_field(std::string_view name) {
  constexpr std::string_view kPlain[] = {"cache-control",    "content-disposition", "content-encoding", "content-md5",
                                         "content-language", "content-type",        "expires"};
  for (const std::string_view plain : kPlain) {
    if (name == plain) return true;
  }
  if (!name.starts_with("x-amz-")) return false;
  constexpr std::string_view kOfTheSignature[] = {"x-amz-algorithm", "x-amz-credential", "x-amz-date",
                                                  "x-amz-signature", "x-amz-security-token"};
  for (const std::string_view own : kOfTheSignature) {
    if (name == own) return false;
  }
  return true;
}

using OwnedHeaders = std::vector<std::pair<std::string, std::string>>;

Outcome<OwnedHeaders> headers_of(const Form& form) {
  OwnedHeaders headers;
  bool typed = false;
  for (const auto& [name, value] : form.fields.all) {
    std::string lower = to_lower(name);
    if (lower == "acl") lower = "x-amz-acl";
    if (lower == "tagging") {
      auto header = tagging_header(value);
      if (!header) return header.error();
      headers.emplace_back("x-amz-tagging", std::move(*header));
      continue;
    }
    if (!is_header_field(lower)) continue;
    // What would name another object, or stand for a body's framing, has no place in a form.
    if (lower.starts_with("x-amz-copy-source") || lower == "x-amz-content-sha256" || lower == "x-amz-trailer" ||
        lower == "x-amz-decoded-content-length" || lower == "x-amz-tagging") {
      return Failure(S3Error::not_implemented).with("Header", lower);
    }
    if (!is_header_safe(value)) return invalid_argument(name, value);
    typed = typed || lower == "content-type";
    headers.emplace_back(std::move(lower), std::string(trim(value)));
  }
  if (!typed && !form.file_type.empty() && is_header_safe(form.file_type)) {
    headers.emplace_back("content-type", form.file_type);
  }
  return headers;
}

// Whether its sender may make the PUT that the form stands for.
Task<Outcome<>> permit(Call& call) {
  const auto expected = call.header("x-amz-expected-bucket-owner");
  if (expected && *expected != call.bucket->owner_id) co_return S3Error::access_denied;
  if (auto checked = check_directives(call); !checked) co_return checked.error();
  co_return co_await call.authorizer.authorize(call);
}

bool is_web_address(std::string_view url) {
  return is_header_safe(url) && url.find(' ') == std::string_view::npos &&
         (starts_with_caseless(url, "http://") || starts_with_caseless(url, "https://"));
}

// 303, 200, 201 or 204, as the form wants it.
Response answer(const Call& call, const FormFields& fields, Response put, const std::string& etag) {
  const std::string* redirect = fields.find("success_action_redirect");
  if (redirect == nullptr) redirect = fields.find("redirect");
  const std::string* const wanted = fields.find("success_action_status");
  if (redirect != nullptr && is_web_address(*redirect)) {
    std::string url = *redirect;
    url += url.find('?') == std::string::npos ? '?' : '&';
    url.append("bucket=").append(percent_encode(call.target.bucket, Slash::encode));
    url.append("&key=").append(percent_encode(call.target.key, Slash::encode));
    url.append("&etag=%22").append(etag).append("%22");
    put.status = 303;
    put.add_header("Location", url);
    return put;
  }
  const std::string url = object_url(call);
  put.add_header("Location", url);
  put.status = 204;
  if (wanted != nullptr && *wanted == "200") put.status = 200;
  if (wanted == nullptr || *wanted != "201") return put;
  XmlWriter xml;
  xml.open("PostResponse");
  xml.element("Location", url);
  xml.element("Bucket", call.target.bucket);
  xml.element("Key", call.target.key);
  xml.etag(etag);
  xml.close("PostResponse");
  put.status = 201;
  put.text = xml.take();
  put.content_length = put.text.size();
  put.add_header("Content-Type", "application/xml");
  return put;
}

// The ETag without quotes that a PUT's answer carries.
std::string etag_of(const Response& put) {
  constexpr std::string_view kName = "ETag: \"";
  const std::size_t at = put.headers.find(kName);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + kName.size();
  return put.headers.substr(begin, put.headers.find('"', begin) - begin);
}

}  // namespace

Task<Outcome<Response>> post_object(Call& call) {
  const auto boundary = form_boundary(call.request.header("content-type").value_or(""));
  if (!boundary) {
    co_return Failure(S3Error::precondition_failed).with("Condition", "Bucket POST must be of the enclosure-type multipart/form-data");
  }
  auto bucket = co_await call.store.bucket(call.target.bucket);
  if (!bucket) co_return bucket.error();
  FormReader reader(call.body, *boundary);
  auto form = co_await read_fields(reader);
  if (!form) co_return form.error();
  auto key = key_of(*form);
  if (!key) co_return key.error();
  if (is_virtual_key(*key)) co_return Failure(S3Error::method_not_allowed).with("Method", "POST");
  FormScope scope;
  scope.region = call.options.region;
  scope.locations = call.options.locations;
  scope.signature_v2 = call.options.signature_v2;
  scope.now_ms = call.clock.wall_ms();
  auto signer = form_signer(form->fields, *call.authenticator, scope);
  if (!signer) co_return signer.error();
  const auto range = judge_policy(form->fields, call.target.bucket, *key, call.clock.wall_ms());
  if (!range) co_return range.error();
  const auto headers = headers_of(*form);
  if (!headers) co_return headers.error();

  // The PUT that the form stands for.
  Request request;
  request.method = "PUT";
  request.target = call.request.target;
  request.tls = call.request.tls;
  request.request_id = call.request.request_id;
  request.peer = call.request.peer;
  if (const auto host = call.request.header("host")) request.headers.push_back({"host", *host});
  for (const auto& [name, value] : *headers) request.headers.push_back({name, value});
  FileBody file(reader, *range);
  Call put{request, file, call.store, call.clock, call.options, call.authorizer, {}, {}, nullptr, std::move(*bucket)};
  put.keyring = call.keyring;
  put.settings = call.settings;
  put.authenticator = call.authenticator;
  put.answers = call.answers;
  put.events = call.events;
  put.form = true;
  put.target.bucket = call.target.bucket;
  put.target.key = std::move(*key);
  put.target.virtual_hosted = call.target.virtual_hosted;
  call.identity = *signer;
  put.identity = std::move(*signer);
  const auto route = find_route("PUT", put.target, false);
  if (!route) co_return route.error();
  put.route = *route;
  if (auto permitted = co_await permit(put); !permitted) co_return permitted.error();
  auto stored = co_await put_object(put);
  if (!stored) co_return stored.error();
  const std::string etag = etag_of(*stored);
  co_return answer(put, form->fields, std::move(*stored), etag);
}

}  // namespace api
