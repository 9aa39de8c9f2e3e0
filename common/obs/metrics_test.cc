#include "common/obs/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/obs/process_metrics.h"
#include "common/service/executor.h"

namespace penstock::obs {
namespace {

using ::testing::HasSubstr;

TEST(MetricsTest, RendersCountersGaugesAndHistograms) {
  Registry registry;
  Counter done = registry.AddCounter("x_tasks_total", "Tasks done.", {{"queue", "default"}});
  done.Increment();
  done.Increment(2);
  Gauge ready = registry.AddGauge("x_ready", "Tasks that may run.");
  ready.Set(5);
  ready.Add(-1.5);
  Histogram took = registry.AddHistogram("x_flush_seconds", "Flushes.", {0.01, 0.1});
  took.Observe(absl::Milliseconds(50));
  const std::string text = registry.Render();
  EXPECT_THAT(text, HasSubstr("# HELP x_tasks_total Tasks done.\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE x_tasks_total counter\n"));
  EXPECT_THAT(text, HasSubstr("x_tasks_total{queue=\"default\"} 3"));
  EXPECT_THAT(text, HasSubstr("x_ready 3.5"));
  EXPECT_THAT(text, HasSubstr("x_flush_seconds_bucket{le=\"0.01\"} 0"));
  EXPECT_THAT(text, HasSubstr("x_flush_seconds_bucket{le=\"0.1\"} 1"));
  EXPECT_THAT(text, HasSubstr("x_flush_seconds_count 1"));
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameMetric) {
  Registry registry;
  registry.AddCounter("x_total", "X.", {{"a", "1"}}).Increment();
  EXPECT_EQ(registry.AddCounter("x_total", "X.", {{"a", "1"}}).Value(), 1);
  EXPECT_EQ(registry.AddCounter("x_total", "X.", {{"a", "2"}}).Value(), 0);
}

TEST(MetricsTest, EscapesLabelValues) {
  Registry registry;
  registry.AddGauge("x", "X.", {{"queue", "a\"b\\c\nd"}}).Set(1);
  EXPECT_THAT(registry.Render(), HasSubstr(R"(x{queue="a\"b\\c\nd"} 1)"));
}

TEST(MetricsTest, AsksCollectorsBeforeEachRender) {
  Registry registry;
  Gauge gauge = registry.AddGauge("x", "X.");
  int calls = 0;
  registry.AddCollector([&] { gauge.Set(++calls); });
  EXPECT_THAT(registry.Render(), HasSubstr("x 1\n"));
  EXPECT_THAT(registry.Render(), HasSubstr("x 2\n"));
}

TEST(MetricsTest, CountsFromManyThreads) {
  Registry registry;
  Counter counter = registry.AddCounter("x_total", "X.");
  service::Executor threads({"count", 4, 10});
  for (int t = 0; t < 4; ++t) {
    ASSERT_TRUE(threads.TryPost([&, own = counter]() mutable {
      for (int i = 0; i < 1000; ++i) own.Increment();
      registry.Render();
    }));
  }
  threads.Shutdown();
  EXPECT_EQ(counter.Value(), 4000);
}

TEST(MetricsDeathTest, MalformedNamesAreABug) {
  Registry registry;
  EXPECT_DEATH(registry.AddGauge("no-dashes", "X."), "malformed");
  EXPECT_DEATH(registry.AddGauge("x", "X.", {{"1st", "v"}}), "malformed");
}

TEST(ProcessMetricsTest, DescribesThisProcess) {
  Registry registry;
  AddProcessMetrics(&registry);
  AddBuildInfo(&registry, "1.2.3", "worker");
  const std::string text = registry.Render();
  EXPECT_THAT(text, HasSubstr("penstock_build_info{compiler=\""));
  EXPECT_THAT(text, HasSubstr("role=\"worker\",version=\"1.2.3\"} 1"));
  EXPECT_THAT(text, HasSubstr("# TYPE process_cpu_seconds_total counter"));
  Gauge resident = registry.AddGauge("process_resident_memory_bytes", "Resident memory size.");
  EXPECT_GT(resident.Value(), 1e6);
  EXPECT_LT(resident.Value(), 1e11);
  EXPECT_GE(registry.AddGauge("process_open_fds", "Open file descriptors.").Value(), 3);
  const double start = registry
                           .AddGauge("process_start_time_seconds",
                                     "Start of the process, in seconds since the Unix epoch.")
                           .Value();
  EXPECT_GT(start, 1.6e9);
  EXPECT_LT(start, 1e10);
}

}  // namespace
}  // namespace penstock::obs
