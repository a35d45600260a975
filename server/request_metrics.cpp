#include "server/request_metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <vector>

namespace server {

RequestMetrics::RequestMetrics(storage::MetricsRegistry& registry)
    : registry_(registry),
      received_bytes_(registry.counter("api_received_bytes_total", "Bytes of request bodies.")),
      sent_bytes_(registry.counter("api_sent_bytes_total", "Bytes of answer bodies.")) {}

void RequestMetrics::record(std::string_view operation, unsigned status, std::uint64_t duration_ns,
                            std::uint64_t received_bytes, std::uint64_t sent_bytes) {
  if (operation.empty()) operation = "none";
  Series& series = find(operation, status);
  series.count->add();
  series.latency->record_ns(duration_ns);
  if (received_bytes > 0) received_bytes_.add(received_bytes);
  sent_bytes_.add(sent_bytes);
}

RequestMetrics::Series& RequestMetrics::find(std::string_view operation, unsigned status) {
  for (Series& each : series_) {
    if (each.operation == operation.data() && each.status == status) return each;
  }
  Series made;
  made.operation = operation.data();
  made.status = status;
  made.count = &registry_.counter("api_requests_total", "Requests by operation and HTTP status.",
                                  {{"operation", std::string(operation)}, {"status", std::to_string(status)}});
  made.latency = &registry_.latency("api_request_seconds", "Time from a request's head to the end of its answer.",
                                    {{"operation", std::string(operation)}});
  return series_.emplace_back(made);
}

namespace {

void fill_histogram(const storage::LatencyHistogram& latency, prometheus::ClientMetric& metric) {
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i <= storage::LatencyHistogram::kBuckets; ++i) {
    cumulative += latency.bucket(i);
    metric.histogram.bucket.push_back({cumulative, storage::LatencyHistogram::bound_seconds(i)});
  }
  metric.histogram.sample_count = cumulative;
  metric.histogram.sample_sum = latency.sum_seconds();
}

}  // namespace

std::string metrics_text(const storage::MetricsRegistry& registry) {
  using Kind = storage::MetricsRegistry::Kind;
  std::map<std::string, prometheus::MetricFamily> families;
  registry.for_each([&](const storage::MetricsRegistry::Series& series) {
    prometheus::MetricFamily& family = families[series.name];
    family.name = series.name;
    family.help = series.help;
    prometheus::ClientMetric& metric = family.metric.emplace_back();
    for (const auto& [name, value] : series.labels) metric.label.push_back({name, value});
    switch (series.kind) {
      case Kind::counter:
        family.type = prometheus::MetricType::Counter;
        metric.counter.value = static_cast<double>(series.counter.value());
        break;
      case Kind::gauge:
        family.type = prometheus::MetricType::Gauge;
        metric.gauge.value = static_cast<double>(series.gauge.value());
        break;
      case Kind::function:
        family.type = prometheus::MetricType::Gauge;
        metric.gauge.value = series.function ? series.function() : 0;
        break;
      case Kind::latency:
        family.type = prometheus::MetricType::Histogram;
        fill_histogram(series.latency, metric);
        break;
    }
  });
  std::vector<prometheus::MetricFamily> list;
  for (auto& [name, family] : families) list.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(list);
}

}  // namespace server
