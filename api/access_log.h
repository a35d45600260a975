// AccessLog: the lines of server access logging, gathered in memory and written as objects into the target buckets.
//
// Delivery  best effort, as S3's: lines that are not written yet are lost with the process, and lines beyond the bound are
//           dropped and counted in the log.
// Memory    at most kBytesMax of lines.
// Threads   add() on any; flush() one task at a time. Lifetime: the store and the keyring outlive it.
// Source    the fields and object names of S3's server access log format.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "api/access/acl.h"
#include "api/error_table.h"
#include "storage/base/clock.h"
#include "storage/object_store.h"

namespace api {

struct Call;
struct XmlElement;
class Keyring;
struct Response;

inline constexpr std::string_view kLoggingSetting = "logging";  // <BucketLoggingStatus>

struct LoggingTarget {
  std::string bucket;
  std::string prefix;
  bool partitioned = false;  // names begin with owner, region, bucket and day
  std::vector<Grant> grants;  // on each log, beside its owner's
};

// What <LoggingEnabled> says; e-mail addresses of grants become the ids that they stand for. Errors: InvalidArgument,
// MalformedXML, UnresolvableGrantByEmailAddress.
Outcome<LoggingTarget> parse_logging(XmlElement& document, const UserFinder& users);
// The same of a stored text; null if it is none.
std::shared_ptr<const LoggingTarget> stored_logging(std::string_view text);

// The line of an answered call. `error`: the S3 code, empty for none; `took_ms`: how long it took to answer.
std::string access_log_line(const Call& call, const Response& response, std::string_view error, std::int64_t now_ms,
                            std::int64_t took_ms);

class AccessLog {
 public:
  AccessLog(storage::ObjectStore& store, storage::Clock& clock, Keyring& keyring)
      : store_(store), clock_(clock), keyring_(keyring) {}

  // `region`: of the source bucket, for partitioned names.
  void add(const storage::BucketInfo& source, const LoggingTarget& target, std::string_view region, std::string line);

  // Writes what has been gathered: an object for each source bucket.
  storage::Task<> flush();

 private:
  static constexpr std::size_t kBytesMax = 8 * 1024 * 1024;

  struct Batch {
    LoggingTarget target;
    std::string owner_id;
    std::string region;
    std::string lines;
  };
  storage::Task<storage::Result<>> write(const std::string& source, const Batch& batch);

  storage::ObjectStore& store_;
  storage::Clock& clock_;
  Keyring& keyring_;
  std::mutex mutex_;
  std::map<std::string, Batch, std::less<>> batches_;  // by source bucket
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace api
