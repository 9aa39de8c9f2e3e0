#pragma once
// Fixed pools of threads with bounded queues: where blocking work runs that gRPC's threads must
// not.
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/service/thread.h"

namespace penstock::service {

// Thread-safe. Jobs start in the order of posting; they must not throw.
class Executor {
 public:
  struct Options {
    std::string name = "executor";  // threads are called <name>-0, <name>-1, ...
    int threads = 4;                // at least 1
    size_t max_queue = 1024;        // jobs that wait for a thread; running ones do not count
  };
  // What becomes of the jobs that still wait when the executor shuts down.
  enum class Pending { kRun, kDrop };

  explicit Executor(const Options& options);
  ~Executor();  // Shutdown(kDrop)
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Queues `job`. False, without side effect, when the queue is full or the executor stopped.
  bool TryPost(std::function<void()> job) ABSL_LOCKS_EXCLUDED(mu_);
  // The same, if a thread is free to run `job` now.
  bool TryPostToIdle(std::function<void()> job) ABSL_LOCKS_EXCLUDED(mu_);
  // Takes no more jobs, runs or drops (destroys) the waiting ones, and returns when the threads
  // have ended. May come twice; the first call decides. Never call it from a job.
  void Shutdown(Pending pending = Pending::kRun) ABSL_LOCKS_EXCLUDED(mu_);
  bool stopped() const ABSL_LOCKS_EXCLUDED(mu_);
  // Jobs that wait, for metrics.
  size_t QueueLength() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  template <typename HasRoom>
  bool Post(std::function<void()> job, const HasRoom& has_room) ABSL_LOCKS_EXCLUDED(mu_);
  void Work() ABSL_LOCKS_EXCLUDED(mu_);
  bool Next(std::function<void()>* job) ABSL_LOCKS_EXCLUDED(mu_);
  // True when the caller is to signal ready_.
  bool WantsThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const size_t max_queue_;
  mutable Mutex mu_;
  CondVar ready_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mu_);
  int idle_ ABSL_GUARDED_BY(mu_) = 0;         // threads in ready_'s line
  bool waking_ ABSL_GUARDED_BY(mu_) = false;  // one was signalled and has not come yet
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  Mutex join_mu_;  // held while joining, so that a second Shutdown waits too
  std::vector<std::unique_ptr<Thread>> threads_ ABSL_GUARDED_BY(join_mu_);
};

// Runs jobs one after another, in order, on an Executor that it borrows: a lock that nobody waits
// for. Thread-safe. May be destroyed while jobs wait; they still run.
class Strand {
 public:
  // `executor` must outlive the strand. At most `max_queue` jobs wait.
  Strand(Executor& executor, size_t max_queue);
  ~Strand();

  // False, without side effect, when the strand's or the executor's queue is full, or the executor
  // stopped.
  bool TryPost(std::function<void()> job);
  size_t QueueLength() const;

 private:
  class State;
  // Shared with the executor's queue: a queued turn may outlive the strand.
  const std::shared_ptr<State> state_;
};

}  // namespace penstock::service
