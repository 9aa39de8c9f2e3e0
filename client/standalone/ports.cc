#include "client/standalone/ports.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/process/unique_fd.h"

namespace penstock::client {
namespace {

using process::UniqueFd;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A socket bound to the port, or none. SO_REUSEADDR: a port is free although old connections of
// it still linger; without SO_REUSEPORT a listener of any kind makes this fail.
UniqueFd Bind(int port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = Loopback(port);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {};
  return fd;
}

int PortOf(const UniqueFd& fd) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

// Collects the busy ones of the ports it is shown.
class PortCheck {
 public:
  void Look(int port, const std::string& user) {
    if (Bind(port)) return;
    const std::string_view why = errno == EACCES ? "may not be used" : "is in use";
    busy_ += fmt::format("{}port {} ({}) {}", busy_.empty() ? "" : ", ", port, user, why);
  }
  absl::Status Result() const {
    if (busy_.empty()) return absl::OkStatus();
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      busy_ + "; choose others with --port N, or any free ones with --port 0");
  }

 private:
  std::string busy_;
};

absl::Status CheckFree(const PortPlan& plan) {
  PortCheck check;
  for (size_t i = 0; i < plan.schedulers.size(); ++i) {
    check.Look(plan.schedulers[i].grpc, fmt::format("scheduler-{}, gRPC", i + 1));
    check.Look(plan.schedulers[i].http, fmt::format("scheduler-{}, HTTP", i + 1));
  }
  for (size_t i = 0; i < plan.workers.size(); ++i) {
    check.Look(plan.workers[i], fmt::format("worker-{}, HTTP", i + 1));
  }
  return check.Result();
}

// Holds on to each port until all are chosen, so that they differ.
absl::StatusOr<PortPlan> AnyFree(int schedulers, int workers) {
  std::vector<UniqueFd> held;
  const auto take = [&held]() -> int {
    held.push_back(Bind(0));
    return held.back() ? PortOf(held.back()) : 0;
  };
  PortPlan plan;
  for (int i = 0; i < schedulers; ++i) {
    const int grpc = take();
    plan.schedulers.push_back({grpc, take()});
  }
  for (int i = 0; i < workers; ++i) plan.workers.push_back(take());
  for (const UniqueFd& fd : held) {
    if (!fd) return MakeStatus(absl::StatusCode::kResourceExhausted, "no free port on loopback");
  }
  return plan;
}

}  // namespace

PortPlan FixedPorts(int first, int schedulers, int workers) {
  PortPlan plan;
  for (int i = 0; i < schedulers; ++i) {
    plan.schedulers.push_back({first + i, first + kSchedulerHttpOffset + i});
  }
  for (int i = 0; i < workers; ++i) plan.workers.push_back(first + kWorkerHttpOffset + i);
  return plan;
}

absl::StatusOr<PortPlan> ChoosePorts(int first, int schedulers, int workers) {
  if (first == 0) return AnyFree(schedulers, workers);
  PortPlan plan = FixedPorts(first, schedulers, workers);
  PENSTOCK_RETURN_IF_ERROR(CheckFree(plan));
  return plan;
}

}  // namespace penstock::client
