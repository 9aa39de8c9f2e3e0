#pragma once
// A one-way switch that threads wait for (absl::Notification is not used: it blinds TSan here).
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace penstock::service {

// Thread-safe. Must outlive the return of Set(): share ownership when the waiter may free it.
class Event {
 public:
  // Releases all waiters, now and later. May come more than once.
  void Set();
  bool IsSet() const;
  void Wait() const;
  // Returns whether the event is set; false means that `timeout` passed first.
  bool WaitFor(absl::Duration timeout) const;

 private:
  mutable Mutex mu_;
  mutable CondVar changed_;
  bool set_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace penstock::service
