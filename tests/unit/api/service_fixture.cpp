#include "tests/unit/api/service_fixture.h"

#include "api/ascii.h"
#include "storage/base/check.h"
#include "tests/support/run_task.h"

namespace tests {
namespace {

constexpr int kDisks = 6;
constexpr std::uint64_t kDiskBytes = 96ULL * 1024 * 1024;

storage::Task<Reply> run(api::Service& service, const api::Request& request, TextBody& body) {
  api::Response response = co_await service.handle(request, body);
  Reply reply;
  reply.status = response.status;
  reply.headers = std::move(response.headers);
  reply.content_length = response.content_length;
  reply.head_only = response.head_only;
  reply.close = response.close;
  reply.operation = response.operation;
  reply.body_was_read = body.was_read();
  reply.body = std::move(response.text);
  reply.body.append(reinterpret_cast<const char*>(response.cached.bytes.data()), response.cached.bytes.size());
  while (response.stream) {
    auto chunk = co_await response.stream->next();
    if (!chunk) {
      reply.status = 599;  // a reader that fails in the middle: no status of S3 fits
      co_return reply;
    }
    if (chunk->bytes.empty()) break;
    reply.body.append(reinterpret_cast<const char*>(chunk->bytes.data()), chunk->bytes.size());
  }
  co_return reply;
}

}  // namespace

std::string Reply::header(std::string_view name) const {
  std::string_view rest(headers);
  while (!rest.empty()) {
    std::string_view line = api::cut(rest, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string_view known = api::cut(line, ':');
    if (api::equals_caseless(known, name)) return std::string(api::trim(line));
  }
  return {};
}

bool Reply::has_header(std::string_view name) const {
  std::string_view rest(headers);
  while (!rest.empty()) {
    std::string_view line = api::cut(rest, '\n');
    if (api::equals_caseless(api::cut(line, ':'), name)) return true;
  }
  return false;
}

std::string Reply::element(std::string_view name) const {
  const std::string open = "<" + std::string(name) + ">";
  const std::size_t begin = body.find(open);
  if (begin == std::string::npos) return {};
  const std::size_t end = body.find("</" + std::string(name) + ">", begin);
  return body.substr(begin + open.size(), end - begin - open.size());
}

std::size_t Reply::count(std::string_view text) const {
  std::size_t found = 0;
  for (std::size_t at = body.find(text); at != std::string::npos; at = body.find(text, at + 1)) ++found;
  return found;
}

api::ServiceOptions ServiceTest::default_options() {
  api::ServiceOptions options;
  options.locations = {"eu-test"};
  options.domains = {"s3.example.test"};
  options.users = {{"main", "main-id", "main@example.test", "MAINKEY", "MAINSECRET"},
                   {"alt", "alt-id", "alt@example.test", "ALTKEY", "ALTSECRET"}};
  return options;
}

SignOptions ServiceTest::main_user() {
  SignOptions options;
  options.access_key = "MAINKEY";
  options.secret_key = "MAINSECRET";
  return options;
}

SignOptions ServiceTest::alt_user() {
  SignOptions options;
  options.access_key = "ALTKEY";
  options.secret_key = "ALTSECRET";
  return options;
}

ServiceTest::ServiceTest() {
  storage::segment::DriveSet::Options options;
  for (int i = 0; i < kDisks; ++i) {
    disks_.add({.capacity_bytes = kDiskBytes});
    options.drives.push_back({std::to_string(i), kDiskBytes});
  }
  options.opener = [this](const storage::segment::DriveSpec& spec, bool,
                          std::string&) -> storage::Result<std::unique_ptr<storage::io::Drive>> {
    return disks_.open(std::stoul(spec.path));
  };
  std::string why;
  auto drives = run_task(context_, storage::segment::DriveSet::open(std::move(options), why));
  if (!drives) ADD_FAILURE() << why;
  CHECK(drives.has_value());
  drives_ = std::move(*drives);
  catalog_ = std::make_unique<storage::MetadataSegmentCatalog>(metadata_);
  segments_ = std::make_unique<storage::segment::SegmentStore>(
      *drives_, *catalog_, storage::segment::StripePools{request_pool_, request_pool_}, clock_,
                                                               metrics_, 1);
  CHECK(run_task(context_, segments_->recover()).has_value());
  segments_->start(context_.get_executor());
  storage::ObjectStoreOptions store_options;
  store_options.buffer_wait_ms_max = 1;  // a test of full memory need not wait for it
  store_ = std::make_unique<storage::ObjectStore>(metadata_, *segments_, request_pool_, cache_pool_, clock_,
                                                  metrics_, store_options);
  CHECK(run_task(context_, store_->recover()).has_value());
  make_service(default_options());
}

ServiceTest::~ServiceTest() {
  service_.reset();
  run_task(context_, store_->stop());
  run_task(context_, segments_->stop());
  store_.reset();
  segments_.reset();
}

void ServiceTest::run_label_work() { run_task(context_, service_->run_label_streams()); }

void ServiceTest::make_service(api::ServiceOptions options) {
  service_ = std::make_unique<api::Service>(*store_, clock_, std::move(options));
}

Reply ServiceTest::send(const TestRequest& request) {
  const api::Request view = request.view();
  TextBody body(request.body, body_step_, request.http_chunked, request.no_length);
  if (body_error_) body.fail_at_end(body_error_, 1);
  return run_task(context_, run(*service_, view, body));
}

Reply ServiceTest::call_as(const SignOptions& user, TestRequest request) {
  sign(request, user);
  return send(request);
}

Reply ServiceTest::call(TestRequest request) { return call_as(main_user(), std::move(request)); }

Reply ServiceTest::call(std::string method, std::string target, std::string body) {
  return call(TestRequest(std::move(method), std::move(target), std::move(body)));
}

Reply ServiceTest::put(std::string target, std::string body) {
  Reply reply = call("PUT", std::move(target), std::move(body));
  EXPECT_EQ(reply.status, 200u) << reply.body;
  return reply;
}

std::string ServiceTest::start_upload(const std::string& target) {
  const Reply reply = call("POST", target + "?uploads");
  EXPECT_EQ(reply.status, 200u) << reply.body;
  return reply.element("UploadId");
}

std::string ServiceTest::put_part(const std::string& target, const std::string& upload, unsigned number,
                                  std::string body) {
  const Reply reply =
      call("PUT", target + "?partNumber=" + std::to_string(number) + "&uploadId=" + upload, std::move(body));
  EXPECT_EQ(reply.status, 200u) << reply.body;
  return reply.header("ETag");
}

std::string ServiceTest::complete_body(const std::vector<std::pair<unsigned, std::string>>& parts) {
  std::string body = "<CompleteMultipartUpload>";
  for (const auto& [number, etag] : parts) {
    body += "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>" + etag + "</ETag></Part>";
  }
  return body + "</CompleteMultipartUpload>";
}

}  // namespace tests
