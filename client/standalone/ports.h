#pragma once
// Which loopback ports the processes of a standalone cluster listen on.
#include <vector>

#include "absl/status/statusor.h"

namespace penstock::client {

inline constexpr int kSchedulerHttpOffset = 80;
inline constexpr int kWorkerHttpOffset = 90;

struct PortPlan {
  struct Scheduler {
    int grpc = 0;
    int http = 0;
  };
  std::vector<Scheduler> schedulers;
  std::vector<int> workers;  // HTTP
};

// Ports at fixed distances from `first` (see StandaloneOptions::port), not looked at.
PortPlan FixedPorts(int first, int schedulers, int workers);

// Ports that are free now: FixedPorts, or any when `first` is 0. FAILED_PRECONDITION names each
// busy port with the process that it was meant for.
absl::StatusOr<PortPlan> ChoosePorts(int first, int schedulers, int workers);

}  // namespace penstock::client
