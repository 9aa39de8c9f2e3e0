#include "common/service/loop_thread.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <string>

#include "common/base/clock.h"
#include "common/service/event.h"
#include "common/service/periodic.h"
#include "common/testing/test_signal.h"

namespace penstock::service {
namespace {

using testing::TestSignal;

TEST(LoopThreadTest, WakesAtOnceWhenAskedTo) {
  LoopThread loop;
  TestSignal signal;
  loop.Start("loop", [&](StopToken token) {
    while (token.Wait(absl::InfiniteDuration())) signal.Announce("pass");
  });
  loop.Wake();
  EXPECT_TRUE(signal.WaitFor("pass", 1));
  loop.Wake();
  EXPECT_TRUE(signal.WaitFor("pass", 2));
  loop.Stop();
  EXPECT_EQ(signal.Count("pass"), 2);
}

TEST(LoopThreadTest, RemembersAWakeThatCameWhileItWorked) {
  LoopThread loop;
  TestSignal signal;
  Event go_on;
  loop.Start("loop", [&](StopToken token) {
    signal.Announce("working");
    go_on.Wait();
    if (token.Wait(absl::Hours(1))) signal.Announce("woken");
  });
  ASSERT_TRUE(signal.WaitFor("working"));
  loop.Wake();
  go_on.Set();
  EXPECT_TRUE(signal.WaitFor("woken"));
}

TEST(LoopThreadTest, TimesOut) {
  LoopThread loop;
  Event passed;
  loop.Start("loop", [&](StopToken token) {
    if (token.Wait(absl::Milliseconds(1))) passed.Set();
  });
  EXPECT_TRUE(passed.WaitFor(absl::Seconds(20)));
}

TEST(LoopThreadTest, StopsTwiceWithoutStartAndWhenItsOwnThreadAsks) {
  LoopThread loop;
  loop.Stop();
  Event asked;
  loop.Start("loop", [&](StopToken token) {
    loop.RequestStop();
    EXPECT_TRUE(token.StopRequested());
    EXPECT_FALSE(token.Wait(absl::Hours(1)));
    asked.Set();
  });
  asked.Wait();
  loop.Stop();
  loop.Stop();
}

TEST(LoopThreadTest, StartsAgainAfterAStop) {
  LoopThread loop;
  std::atomic<int> runs{0};
  for (int i = 0; i < 3; ++i) {
    Event ran;
    loop.Start("loop", [&](StopToken token) {
      ++runs;
      ran.Set();
      EXPECT_FALSE(token.Wait(absl::Hours(1)));
    });
    ran.Wait();
    loop.Stop();
  }
  EXPECT_EQ(runs, 3);
}

TEST(ThreadTest, CarriesItsNameCutToTheKernelsLimit) {
  std::string name(16, ' ');
  Thread thread("a-name-longer-than-fifteen",
                [&] { pthread_getname_np(pthread_self(), name.data(), name.size()); });
  thread.Join();
  EXPECT_STREQ(name.c_str(), "a-name-longer-t");
}

TEST(EventTest, WaitForTellsATimeoutFromASet) {
  Event event;
  EXPECT_FALSE(event.WaitFor(absl::ZeroDuration()));
  event.Set();
  event.Set();
  EXPECT_TRUE(event.WaitFor(absl::InfiniteDuration()));
  EXPECT_TRUE(event.IsSet());
}

TEST(PeriodicTest, RunsAgainAndAgain) {
  TestSignal signal;
  Periodic periodic("tick", absl::Milliseconds(1), [&] { signal.Announce("tick"); });
  periodic.Start();
  EXPECT_TRUE(signal.WaitFor("tick", 3));
}

TEST(PeriodicTest, RunsAtOnceWhenTriggered) {
  TestSignal signal;
  Periodic periodic("tick", absl::Hours(10), [&] { signal.Announce("tick"); });
  periodic.Start();
  EXPECT_EQ(signal.Count("tick"), 0);
  periodic.Trigger();
  EXPECT_TRUE(signal.WaitFor("tick"));
  periodic.Stop();
  periodic.Stop();
  periodic.Trigger();
  EXPECT_EQ(signal.Count("tick"), 1);
}

}  // namespace
}  // namespace penstock::service
