#pragma once
// The runs that chaos is let loose on: tasks that write down when they start, live and end.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/lib/client.h"
#include "common/service/thread.h"
#include "tests/chaos/truth.h"

namespace penstock::chaos {

// Two tasks of a run, of a quarter of a second each, need a slot of its pool.
struct WorkloadShape {
  int slow_tenths = 15;  // of a second, which the slow task takes
  int pool_slots = 3;
};

// Makes the pool and the DAG, whose tasks write to `truth_file`.
absl::Status PrepareWorkload(client::Client& client, const std::string& truth_file,
                             const WorkloadShape& shape = {});
// What every run of it must keep to.
Expected WorkloadRules(const WorkloadShape& shape = {});
Truth ReadTruth(const std::string& truth_file);

// Submits runs of nine tasks at a pace, from a thread of its own, until Stop().
class Load {
 public:
  Load(std::unique_ptr<client::Client> client, absl::Duration pace);
  ~Load() { Stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  void Stop();
  // After Stop(): the runs that were acknowledged, and how many requests were refused.
  const std::vector<int64_t>& acknowledged() const { return acknowledged_; }
  int refused() const { return refused_; }
  const absl::Status& last_refusal() const { return last_refusal_; }  // OK when there was none

 private:
  void Run();

  const std::unique_ptr<client::Client> client_;
  const absl::Duration pace_;
  std::atomic<bool> stop_{false};
  std::vector<int64_t> acknowledged_;
  int refused_ = 0;
  absl::Status last_refusal_;
  service::Thread thread_;
};

// Waits until no run is live; how long that took. DEADLINE_EXCEEDED names a run that is.
absl::StatusOr<absl::Duration> WaitForEnd(client::Client& client, absl::Duration at_most);

// Holds Penstock's own word on the runs against the truth: every instance has succeeded, by an
// attempt that really ended. What does not fit is appended to `violations`.
void CompareWithTruth(client::Client& client, const std::vector<int64_t>& runs, const Truth& truth,
                      std::vector<std::string>* violations);

}  // namespace penstock::chaos
