#include "storage/base/metrics.h"

#include <gtest/gtest.h>

namespace storage {
namespace {

TEST(Metrics, TheSameNameAndLabelsAreOneSeries) {
  MetricsRegistry registry;
  registry.counter("requests_total", "Requests.", {{"operation", "GetObject"}}).add(2);
  registry.counter("requests_total", "Requests.", {{"operation", "GetObject"}}).add(3);
  registry.counter("requests_total", "Requests.", {{"operation", "PutObject"}}).add(1);
  int series = 0;
  std::uint64_t sum = 0;
  registry.for_each([&](const MetricsRegistry::Series& each) {
    ++series;
    sum += each.counter.value();
  });
  EXPECT_EQ(series, 2);
  EXPECT_EQ(sum, 6u);
}

TEST(Metrics, ADurationFallsIntoTheFirstBoundThatHoldsIt) {
  LatencyHistogram histogram;
  histogram.record_ns(16'000);          // exactly the first bound
  histogram.record_ns(16'001);          // just above: the second
  histogram.record_ns(32'000);          // exactly the second
  histogram.record_ns(UINT64_C(1) << 62);  // beyond all: +Inf
  EXPECT_EQ(histogram.bucket(0), 1u);
  EXPECT_EQ(histogram.bucket(1), 2u);
  EXPECT_EQ(histogram.bucket(LatencyHistogram::kBuckets), 1u);
  EXPECT_DOUBLE_EQ(LatencyHistogram::bound_seconds(1), 32e-6);
}

}  // namespace
}  // namespace storage
