#include "server/request_metrics.h"

#include <gtest/gtest.h>

namespace server {
namespace {

TEST(RequestMetrics, PrometheusSeesCountersAndHistograms) {
  storage::MetricsRegistry registry;
  RequestMetrics metrics(registry);
  metrics.record("GetObject", 200, 20'000, 0, 50'000);
  metrics.record("GetObject", 200, 2'000'000, 0, 50'000);
  metrics.record("GetObject", 404, 1'000, 0, 0);
  registry.gauge_function("depth", "A depth.", {{"queue", "a\"b"}}, [] { return 3.0; });
  const std::string text = metrics_text(registry);
  for (const char* line : {"api_requests_total{operation=\"GetObject\",status=\"200\"} 2\n",
                           "api_requests_total{operation=\"GetObject\",status=\"404\"} 1\n",
                           "api_sent_bytes_total 100000\n", "api_request_seconds_count{operation=\"GetObject\"} 3\n",
                           "# TYPE api_request_seconds histogram\n", "depth{queue=\"a\\\"b\"} 3\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

}  // namespace
}  // namespace server
