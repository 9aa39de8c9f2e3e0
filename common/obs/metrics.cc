#include "common/obs/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "common/base/check.h"
#include "common/base/mutex.h"

namespace penstock::obs {
namespace {

bool IsName(std::string_view name, bool colon_allowed) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) != 0) return false;
  return std::all_of(name.begin(), name.end(), [colon_allowed](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
           (c == ':' && colon_allowed);
  });
}

void CheckNames(const std::string& name, const Labels& labels) {
  PENSTOCK_CHECK(IsName(name, true), "a metric's name is malformed");
  for (const auto& label : labels) {
    PENSTOCK_CHECK(IsName(label.first, false) && !label.first.starts_with("__"),
                   "a label's name is malformed");
  }
}

}  // namespace

void Counter::Increment(double by) { impl_->Increment(by); }
double Counter::Value() const { return impl_->Value(); }
void Gauge::Set(double value) { impl_->Set(value); }
void Gauge::Add(double by) { impl_->Increment(by); }
double Gauge::Value() const { return impl_->Value(); }
void Histogram::Observe(double value) { impl_->Observe(value); }

std::vector<double> DurationBuckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
          0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
}

std::vector<double> CountBuckets() { return {1, 4, 16, 64, 256, 1024, 4096}; }

struct Registry::Impl {
  prometheus::Registry registry;
  Mutex mu;
  std::vector<std::function<void()>> collectors ABSL_GUARDED_BY(mu);
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter Registry::AddCounter(const std::string& name, const std::string& help,
                             const Labels& labels) {
  CheckNames(name, labels);
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
  return Counter(&family.Add(labels));
}

Gauge Registry::AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
  CheckNames(name, labels);
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
  return Gauge(&family.Add(labels));
}

Histogram Registry::AddHistogram(const std::string& name, const std::string& help,
                                 const std::vector<double>& upper_bounds, const Labels& labels) {
  CheckNames(name, labels);
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  return Histogram(&family.Add(labels, upper_bounds));
}

void Registry::AddCollector(std::function<void()> refresh) {
  MutexLock lock(&impl_->mu);
  impl_->collectors.push_back(std::move(refresh));
}

std::string Registry::Render() {
  std::vector<std::function<void()>> collectors;
  {
    MutexLock lock(&impl_->mu);
    collectors = impl_->collectors;
  }
  for (const auto& refresh : collectors) refresh();
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace penstock::obs
