#include "common/service/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "common/service/event.h"

namespace penstock::service {
namespace {

Executor::Options Small(int threads, size_t max_queue) {
  Executor::Options options;
  options.name = "test";
  options.threads = threads;
  options.max_queue = max_queue;
  return options;
}

TEST(ExecutorTest, RunsEverythingBeforeShutdownReturns) {
  Executor executor(Small(3, 1000));
  std::atomic<int> done{0};
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(executor.TryPost([&] { ++done; }));
  executor.Shutdown();
  EXPECT_EQ(done, 500);
}

TEST(ExecutorTest, RefusesWhenTheQueueIsFull) {
  Executor executor(Small(1, 2));
  Event running;
  Event release;
  ASSERT_TRUE(executor.TryPost([&] {
    running.Set();
    release.Wait();
  }));
  running.Wait();
  EXPECT_TRUE(executor.TryPost([] {}));
  EXPECT_TRUE(executor.TryPost([] {}));
  EXPECT_FALSE(executor.TryPost([] {}));
  EXPECT_EQ(executor.QueueLength(), 2u);
  release.Set();
  executor.Shutdown();
  EXPECT_EQ(executor.QueueLength(), 0u);
}

TEST(ExecutorTest, GivesToAnIdleThreadOnlyWhatItCanRunNow) {
  Executor executor(Small(2, 10));
  Event first_runs, second_runs, release;
  ASSERT_TRUE(executor.TryPost([&] {
    first_runs.Set();
    release.Wait();
  }));
  first_runs.Wait();
  // The other thread may not have come to its first wait yet.
  while (!executor.TryPostToIdle([&] {
    second_runs.Set();
    release.Wait();
  })) {
    std::this_thread::yield();
  }
  second_runs.Wait();
  EXPECT_FALSE(executor.TryPostToIdle([] {})) << "both are busy";
  EXPECT_EQ(executor.QueueLength(), 0u);
  release.Set();
  executor.Shutdown();
  EXPECT_FALSE(executor.TryPostToIdle([] {})) << "stopped";
}

TEST(ExecutorTest, RefusesAfterShutdownWhichMayComeTwice) {
  Executor executor(Small(1, 2));
  executor.Shutdown();
  executor.Shutdown(Executor::Pending::kDrop);
  EXPECT_TRUE(executor.stopped());
  EXPECT_FALSE(executor.TryPost([] {}));
}

TEST(ExecutorTest, DropsWaitingJobsAndWhatTheyOwn) {
  const auto token = std::make_shared<int>(1);
  std::atomic<int> done{0};
  Event running;
  Event release;
  {
    Executor executor(Small(1, 10));
    ASSERT_TRUE(executor.TryPost([&] {
      running.Set();
      release.Wait();
    }));
    running.Wait();
    ASSERT_TRUE(executor.TryPost([token, &done] { ++done; }));
    Executor stopper(Small(1, 1));
    ASSERT_TRUE(stopper.TryPost([&] { executor.Shutdown(Executor::Pending::kDrop); }));
    while (!executor.stopped()) std::this_thread::yield();
    release.Set();
    stopper.Shutdown();
  }
  EXPECT_EQ(done, 0);
  EXPECT_EQ(token.use_count(), 1);
}

TEST(StrandTest, RunsInOrderAndNeverTwoAtOnce) {
  Executor executor(Small(4, 100));
  Strand strand(executor, 10'000);
  std::vector<int> order;  // no lock: TSan would see an overlap
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(strand.TryPost([&order, i] { order.push_back(i); }));
  Event done;
  ASSERT_TRUE(strand.TryPost([&] { done.Set(); }));
  done.Wait();
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(StrandTest, TakesJobsFromManyThreads) {
  Executor executor(Small(2, 10));
  Executor posters(Small(3, 10));
  Strand strand(executor, 10'000);
  int count = 0;  // guarded by the strand
  for (int p = 0; p < 3; ++p) {
    ASSERT_TRUE(posters.TryPost([&] {
      for (int i = 0; i < 500; ++i) {
        ASSERT_TRUE(strand.TryPost([&count] { ++count; }));
      }
    }));
  }
  posters.Shutdown();
  executor.Shutdown();
  EXPECT_EQ(count, 1500);
}

TEST(StrandTest, RefusesWhenItsOwnQueueOrTheExecutorIsFull) {
  Executor executor(Small(1, 1));
  Strand strand(executor, 1);
  Event running;
  Event release;
  ASSERT_TRUE(executor.TryPost([&] {
    running.Set();
    release.Wait();
  }));
  running.Wait();
  EXPECT_TRUE(strand.TryPost([] {}));
  EXPECT_FALSE(strand.TryPost([] {})) << "the strand's queue is full";
  Strand other(executor, 10);
  EXPECT_FALSE(other.TryPost([] {})) << "the executor's queue is full";
  release.Set();
  executor.Shutdown();
  EXPECT_FALSE(strand.TryPost([] {})) << "the executor has stopped";
  EXPECT_EQ(strand.QueueLength(), 0u);
}

TEST(StrandTest, JobsThatTheExecutorDropsLetGoOfWhatTheyOwn) {
  struct Owner {
    explicit Owner(Executor& executor) : strand(executor, 10) {}
    Strand strand;
  };
  Executor executor(Small(1, 100));
  Event running;
  ASSERT_TRUE(executor.TryPost([&] {
    running.Set();
    while (!executor.stopped()) std::this_thread::yield();
  }));
  running.Wait();
  auto owner = std::make_shared<Owner>(executor);
  const std::weak_ptr<Owner> weak = owner;
  ASSERT_TRUE(owner->strand.TryPost([owner] {}));
  owner = nullptr;
  executor.Shutdown(Executor::Pending::kDrop);
  EXPECT_TRUE(weak.expired());
}

TEST(StrandTest, JobsOutliveTheStrand) {
  Executor executor(Small(1, 10));
  std::atomic<int> done{0};
  {
    Strand strand(executor, 10);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(strand.TryPost([&] { ++done; }));
  }
  executor.Shutdown();
  EXPECT_EQ(done, 5);
}

}  // namespace
}  // namespace penstock::service
