#pragma once
// Metrics in Prometheus' data model. Names and labels follow Prometheus practice (snake_case, base
// units, counters end in _total); label values come from small, known sets, never from ids.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace penstock::obs {

using Labels = std::map<std::string, std::string>;

// Handles: small, copyable, thread-safe to use, valid as long as their registry.
class Counter {
 public:
  // `by` >= 0.
  void Increment(double by = 1);
  double Value() const;

 private:
  friend class Registry;
  explicit Counter(prometheus::Counter* impl) : impl_(impl) {}
  prometheus::Counter* impl_;
};

class Gauge {
 public:
  void Set(double value);
  void Add(double by);  // may be negative
  double Value() const;

 private:
  friend class Registry;
  explicit Gauge(prometheus::Gauge* impl) : impl_(impl) {}
  prometheus::Gauge* impl_;
};

class Histogram {
 public:
  void Observe(double value);
  void Observe(absl::Duration took) { Observe(absl::ToDoubleSeconds(took)); }

 private:
  friend class Registry;
  explicit Histogram(prometheus::Histogram* impl) : impl_(impl) {}
  prometheus::Histogram* impl_;
};

// Upper bounds of buckets, ascending. For durations in seconds: 100 us .. 10 s. For counts: 1 ..
// 4096.
std::vector<double> DurationBuckets();
std::vector<double> CountBuckets();

// Owns the metrics of one process. Thread-safe.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Each makes the metric, or returns the one that exists with the same name and labels; all
  // metrics of a name share one type and help text. Malformed names are a bug of the caller
  // (CHECK). Label values may be any text.
  Counter AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram AddHistogram(const std::string& name, const std::string& help,
                         const std::vector<double>& upper_bounds, const Labels& labels = {});

  // `refresh` runs before each Render, to set gauges whose values live elsewhere. It must not call
  // Render.
  void AddCollector(std::function<void()> refresh);

  // The text exposition format, version 0.0.4.
  std::string Render();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// The media type of Render's text.
inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace penstock::obs
