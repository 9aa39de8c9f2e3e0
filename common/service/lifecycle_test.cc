#include "common/service/lifecycle.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/service/event.h"
#include "common/service/loopback.h"
#include "common/service/signals.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_signal.h"

namespace penstock::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

class LifecycleTest : public ::testing::Test {
 protected:
  LifecycleStep Step(const std::string& name, absl::Status start = absl::OkStatus()) {
    return {name,
            [this, name, start] {
              log_.push_back("start " + name);
              return start;
            },
            [this, name](absl::Duration) { log_.push_back("stop " + name); }};
  }

  std::vector<std::string> log_;
};

TEST_F(LifecycleTest, StartsInOrderAndStopsInReverse) {
  Lifecycle lifecycle({});
  lifecycle.Add(Step("a"));
  lifecycle.Add(Step("b"));
  lifecycle.Add(Step("c"));
  EXPECT_THAT(lifecycle.Start(), IsOk());
  lifecycle.Stop();
  lifecycle.Stop();
  EXPECT_THAT(log_, ElementsAre("start a", "start b", "start c", "stop c", "stop b", "stop a"));
}

TEST_F(LifecycleTest, AFailedStartStopsWhatStartedAndNamesTheStep) {
  Lifecycle lifecycle({});
  lifecycle.Add(Step("a"));
  lifecycle.Add(Step("b", MakeStatus(absl::StatusCode::kUnavailable, "port is busy")));
  lifecycle.Add(Step("c"));
  EXPECT_THAT(lifecycle.Start(), StatusIs(absl::StatusCode::kUnavailable, "b: port is busy"));
  EXPECT_THAT(log_, ElementsAre("start a", "start b", "stop a"));
}

TEST_F(LifecycleTest, TellsTheObserverEachStepAndGivesTheDeadline) {
  std::vector<std::string> events;
  Lifecycle lifecycle({[&](const LifecycleEvent& event) {
    events.push_back(fmt::format("{} {}", event.step, static_cast<int>(event.kind)));
  }});
  absl::Duration given;
  lifecycle.Add(
      {"a", nullptr, [&](absl::Duration deadline) { given = deadline; }, absl::Seconds(7)});
  ASSERT_THAT(lifecycle.Start(), IsOk());
  lifecycle.Stop();
  EXPECT_THAT(events, ElementsAre("a 0", "a 2"));
  EXPECT_EQ(given, absl::Seconds(7));
}

TEST_F(LifecycleTest, ReportsAStepThatDoesNotStop) {
  testing::TestSignal signal;
  Lifecycle::Options options;
  options.stuck_margin = absl::ZeroDuration();
  options.observer = [&](const LifecycleEvent& event) {
    if (event.kind == LifecycleEvent::Kind::kStuck) signal.Announce(event.step);
  };
  Lifecycle lifecycle(options);
  lifecycle.Add({"slow", nullptr, [&](absl::Duration) { EXPECT_TRUE(signal.WaitFor("slow")); },
                 absl::Milliseconds(1)});
  ASSERT_THAT(lifecycle.Start(), IsOk());
  lifecycle.Stop();
  EXPECT_EQ(signal.Count("slow"), 1);
}

TEST(SignalThreadTest, TellsTheFirstAndTheSecondSignalApart) {
  BlockShutdownSignals();
  testing::TestSignal signal;
  SignalThread thread([&](int number) { signal.Announce(fmt::format("first {}", number)); },
                      [&](int number) { signal.Announce(fmt::format("second {}", number)); });
  kill(getpid(), SIGTERM);
  EXPECT_TRUE(signal.WaitFor(fmt::format("first {}", SIGTERM)));
  kill(getpid(), SIGINT);
  EXPECT_TRUE(signal.WaitFor(fmt::format("second {}", SIGINT)));
}

TEST(SignalThreadTest, EndsWithoutASignal) {
  BlockShutdownSignals();
  const SignalThread thread([](int) {});
}

TEST(SignalThreadDeathTest, TheSecondSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        BlockShutdownSignals();
        Event first;
        const SignalThread thread([&](int) { first.Set(); });
        kill(getpid(), SIGTERM);
        first.Wait();
        kill(getpid(), SIGTERM);
        Event().WaitFor(absl::Seconds(20));
      },
      ::testing::ExitedWithCode(128 + SIGTERM), "");
}

TEST(LoopbackTest, AcceptsLoopbackInAllForms) {
  for (const char* text :
       {"127.0.0.1:7070", "127.1.2.3:0", "[::1]:80", "localhost:65535", "unix:/run/x.sock"}) {
    const auto address = ParseLoopbackAddress(text);
    ASSERT_THAT(address, IsOk()) << text;
    EXPECT_EQ(FormatAddress(*address), text);
  }
}

TEST(LoopbackTest, RefusesEverythingElse) {
  for (const char* text :
       {"0.0.0.0:7070", "10.0.0.1:1", "[::]:1", "example.org:80", "128.0.0.1:1", "*:80"}) {
    EXPECT_THAT(ParseLoopbackAddress(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("loopback")))
        << text;
  }
  for (const char* text : {"", ":80", "localhost", "localhost:", "localhost:65536", "localhost:8x",
                           "localhost:-1", "unix:"}) {
    EXPECT_THAT(ParseLoopbackAddress(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected")))
        << text;
  }
}

}  // namespace
}  // namespace penstock::service
