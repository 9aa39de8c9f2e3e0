#pragma once
// Bounds blocking calls on sockets: a server or network that has stopped must not hold a caller.
#include <cstdint>
#include <map>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/service/thread.h"

namespace penstock::pg {

// Thread-safe. Shuts a socket down when its call has not ended by the deadline, so that the call
// fails. One thread ("pg-watchdog"), which blocks on nothing.
class Watchdog {
 public:
  explicit Watchdog(const Clock& clock);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Ends the calls under way now, as if their time were over.
  void EndAll() ABSL_LOCKS_EXCLUDED(mu_);

  // Watches one call from construction to destruction. `fd` stays open that long.
  class Guard {
   public:
    Guard(Watchdog& watchdog, int fd, absl::Duration bound);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Watchdog& watchdog_;
    int64_t token_ = 0;
  };

 private:
  struct Call {
    SteadyTime deadline;
    int fd = -1;
  };
  int64_t Arm(int fd, SteadyTime deadline) ABSL_LOCKS_EXCLUDED(mu_);
  void Disarm(int64_t token) ABSL_LOCKS_EXCLUDED(mu_);
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  SteadyTime EndOverdue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Clock& clock_;
  Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int64_t next_token_ ABSL_GUARDED_BY(mu_) = 1;
  SteadyTime sleeps_until_ ABSL_GUARDED_BY(mu_) = SteadyTime::Infinite();
  std::map<int64_t, Call> calls_ ABSL_GUARDED_BY(mu_);  // by token
  service::Thread thread_;                              // last: it uses all of the above
};

}  // namespace penstock::pg
