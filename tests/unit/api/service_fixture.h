// A whole store in memory (simulated drives, in-memory metadata) under a Service, and a small signing client.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "api/service.h"
#include "storage/metadata/memory_store.h"
#include "storage/segment/segment_store.h"
#include "storage/segment_catalog.h"
#include "tests/support/simulated_drive.h"
#include "tests/unit/api/requests.h"

namespace tests {

struct Reply {
  unsigned status = 0;
  std::string headers;
  std::string body;
  std::uint64_t content_length = 0;
  bool head_only = false;
  bool close = false;
  std::string operation;
  bool body_was_read = false;  // the request's

  std::string header(std::string_view name) const;  // empty when absent
  bool has_header(std::string_view name) const;
  // The text between the first <name> and </name>, as it stands.
  std::string element(std::string_view name) const;
  std::size_t count(std::string_view text) const;  // occurrences in the body
  std::string code() const { return element("Code"); }
};

class ServiceTest : public testing::Test {
 protected:
  ServiceTest();
  ~ServiceTest() override;

  // Runs `request` as it is.
  Reply send(const TestRequest& request);
  // Signs it as user main and runs it.
  Reply call(TestRequest request);
  Reply call(std::string method, std::string target, std::string body = {});
  Reply call_as(const SignOptions& user, TestRequest request);
  static SignOptions main_user();
  static SignOptions alt_user();

  // Puts, expects 200 and returns the answer.
  Reply put(std::string target, std::string body);
  std::string start_upload(const std::string& target);
  // Uploads a part and returns its ETag with quotes.
  std::string put_part(const std::string& target, const std::string& upload, unsigned number,
                       std::string body);
  static std::string complete_body(const std::vector<std::pair<unsigned, std::string>>& parts);

  // A round of what goes on beside requests for labels.
  void run_label_work();
  void make_service(api::ServiceOptions options);
  static api::ServiceOptions default_options();

  boost::asio::io_context context_{1};
  ManualClock clock_;
  SimulatedDisks disks_{1};
  storage::MetricsRegistry metrics_;
  storage::metadata::MemoryStore metadata_;
  storage::io::BufferPool request_pool_{64 * 1024 * 1024};
  storage::io::BufferPool cache_pool_{8 * 1024 * 1024};
  std::unique_ptr<storage::segment::DriveSet> drives_;
  std::unique_ptr<storage::MetadataSegmentCatalog> catalog_;
  std::unique_ptr<storage::segment::SegmentStore> segments_;
  std::unique_ptr<storage::ObjectStore> store_;
  std::unique_ptr<api::Service> service_;
  // How the HTTP body arrives.
  std::size_t body_step_ = SIZE_MAX;
  boost::system::error_code body_error_;  // at its end, one byte early
};

}  // namespace tests
