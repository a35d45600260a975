// Metrics: counters, gauges and histograms that the store's parts own and server/ prints for Prometheus.
//
// Names    base units, small closed label sets, never a key of a client: `storage_sync_seconds`.
// Threads  any; recording is a relaxed atomic add. Lifetime: a registered metric lives as long as its
//          registry; parts keep references.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace storage {

// Label names and values of one series, in the order given.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// Threads count in cells of their own, so that no cache line wanders from core to core with every request.
inline constexpr std::size_t kMetricCells = 4;

// The cell of the calling thread, 0..kMetricCells - 1: threads take turns.
std::size_t metric_cell();

class Counter {
 public:
  void add(std::uint64_t amount = 1) { cells_[metric_cell()].value.fetch_add(amount, std::memory_order_relaxed); }
  std::uint64_t value() const {
    std::uint64_t sum = 0;
    for (const Cell& cell : cells_) sum += cell.value.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  struct alignas(64) Cell {
    std::atomic<std::uint64_t> value{0};
  };
  std::array<Cell, kMetricCells> cells_;
};

class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Durations in powers of two from 16 µs to 8.6 min; the bucket of d is the first bound >= d.
class LatencyHistogram {
 public:
  static constexpr std::size_t kBuckets = 26;
  static constexpr std::uint64_t kFirstBoundNs = 16'000;

  void record_ns(std::uint64_t duration_ns);

  // Upper bound of bucket `index` in seconds; the last bucket is +Inf.
  static double bound_seconds(std::size_t index);
  std::uint64_t bucket(std::size_t index) const;
  double sum_seconds() const;

 private:
  struct alignas(64) Cell {
    std::array<std::atomic<std::uint64_t>, kBuckets + 1> buckets{};
    std::atomic<std::uint64_t> sum_ns{0};
  };
  std::array<Cell, kMetricCells> cells_;
};

class MetricsRegistry {
 public:
  // Each returns the series of (name, labels), made at the first call. `help` is one sentence.
  Counter& counter(std::string_view name, std::string_view help, MetricLabels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, MetricLabels labels = {});
  LatencyHistogram& latency(std::string_view name, std::string_view help, MetricLabels labels = {});

  // A gauge computed when it is read, for values that their owner already counts.
  void gauge_function(std::string_view name, std::string_view help, MetricLabels labels,
                      std::function<double()> value);

  enum class Kind { counter, gauge, latency, function };
  struct Series {
    Kind kind;
    std::string name;
    std::string help;
    MetricLabels labels;
    Counter counter;
    Gauge gauge;
    LatencyHistogram latency;
    std::function<double()> function;
  };

  // Calls `visit` for every series, under the registry's lock.
  void for_each(const std::function<void(const Series&)>& visit) const;

 private:
  Series& series(Kind kind, std::string_view name, std::string_view help, MetricLabels labels);

  mutable std::mutex mutex_;
  std::list<Series> series_;  // a list: references stay valid
};

}  // namespace storage
