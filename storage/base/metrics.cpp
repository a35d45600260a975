#include "storage/base/metrics.h"

#include <bit>
#include <limits>

#include "storage/base/check.h"

namespace storage {

std::size_t metric_cell() {
  static std::atomic<std::size_t> threads{0};
  thread_local const std::size_t cell = threads.fetch_add(1, std::memory_order_relaxed) % kMetricCells;
  return cell;
}

void LatencyHistogram::record_ns(std::uint64_t duration_ns) {
  std::size_t index = 0;
  if (duration_ns > kFirstBoundNs) {
    index = static_cast<std::size_t>(std::bit_width((duration_ns - 1) / kFirstBoundNs));
    if (index > kBuckets) index = kBuckets;
  }
  Cell& cell = cells_[metric_cell()];
  cell.buckets[index].fetch_add(1, std::memory_order_relaxed);
  cell.sum_ns.fetch_add(duration_ns, std::memory_order_relaxed);
}

std::uint64_t LatencyHistogram::bucket(std::size_t index) const {
  std::uint64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.buckets[index].load(std::memory_order_relaxed);
  return sum;
}

double LatencyHistogram::sum_seconds() const {
  std::uint64_t sum_ns = 0;
  for (const Cell& cell : cells_) sum_ns += cell.sum_ns.load(std::memory_order_relaxed);
  return static_cast<double>(sum_ns) * 1e-9;
}

double LatencyHistogram::bound_seconds(std::size_t index) {
  if (index >= kBuckets) return std::numeric_limits<double>::infinity();
  return static_cast<double>(kFirstBoundNs) * static_cast<double>(1ULL << index) * 1e-9;
}

MetricsRegistry::Series& MetricsRegistry::series(Kind kind, std::string_view name, std::string_view help,
                                                 MetricLabels labels) {
  std::lock_guard lock(mutex_);
  for (Series& existing : series_) {
    if (existing.name == name && existing.labels == labels) {
      CHECK(existing.kind == kind);
      return existing;
    }
  }
  Series& made = series_.emplace_back();
  made.kind = kind;
  made.name = name;
  made.help = help;
  made.labels = std::move(labels);
  return made;
}

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help, MetricLabels labels) {
  return series(Kind::counter, name, help, std::move(labels)).counter;
}

Gauge& MetricsRegistry::gauge(std::string_view name, std::string_view help, MetricLabels labels) {
  return series(Kind::gauge, name, help, std::move(labels)).gauge;
}

LatencyHistogram& MetricsRegistry::latency(std::string_view name, std::string_view help, MetricLabels labels) {
  return series(Kind::latency, name, help, std::move(labels)).latency;
}

void MetricsRegistry::gauge_function(std::string_view name, std::string_view help, MetricLabels labels,
                                     std::function<double()> value) {
  series(Kind::function, name, help, std::move(labels)).function = std::move(value);
}

void MetricsRegistry::for_each(const std::function<void(const Series&)>& visit) const {
  std::lock_guard lock(mutex_);
  for (const Series& each : series_) visit(each);
}

}  // namespace storage
