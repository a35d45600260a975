// Counting requests by operation and status, with a latency histogram an operation.
//
// Threads  one object a core: series are looked up once and remembered without a lock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/metrics.h"

namespace server {

class RequestMetrics {
 public:
  explicit RequestMetrics(storage::MetricsRegistry& registry);

  // `operation` is a static string, or empty for requests that never reached one.
  void record(std::string_view operation, unsigned status, std::uint64_t duration_ns, std::uint64_t received_bytes,
              std::uint64_t sent_bytes);

 private:
  storage::MetricsRegistry& registry_;
  storage::Counter& received_bytes_;
  storage::Counter& sent_bytes_;
  // By the operation's address: the names are static strings, and few.
  struct Series {
    const char* operation;
    unsigned status;
    storage::Counter* count;
    storage::LatencyHistogram* latency;
  };
  Series& find(std::string_view operation, unsigned status);
  std::vector<Series> series_;
};

// All series of the registry in Prometheus' text format.
std::string metrics_text(const storage::MetricsRegistry& registry);

}  // namespace server
