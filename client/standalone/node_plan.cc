#include "client/standalone/node_plan.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/status.h"

namespace penstock::client {
namespace {

namespace fs = std::filesystem;

constexpr int kLeastSlots = 4;

std::string Address(int port) { return fmt::format("127.0.0.1:{}", port); }

// Beside this program, unless another directory was named.
std::string Program(const StandaloneOptions& options, const char* name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return (options.bin_dir.empty() ? self.parent_path() : fs::absolute(options.bin_dir)) / name;
}

int Slots(const StandaloneOptions& options) {
  if (options.slots > 0) return options.slots;
  return std::max(kLeastSlots, 2 * static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

std::string SchedulerList(const PortPlan& ports) {
  std::string list;
  for (const PortPlan::Scheduler& scheduler : ports.schedulers) {
    list += (list.empty() ? "" : ",") + Address(scheduler.grpc);
  }
  return list;
}

}  // namespace

std::vector<Node::Spec> PlanSchedulers(const StandaloneOptions& options, const Layout& layout,
                                       const PortPlan& ports) {
  std::vector<Node::Spec> specs;
  for (const PortPlan::Scheduler& own : ports.schedulers) {
    Node::Spec spec;
    spec.name = fmt::format("scheduler-{}", specs.size() + 1);
    spec.argv = {Program(options, "penstock-scheduler"),
                 "--dsn-file",
                 layout.dsn(),
                 "--schema",
                 "penstock",
                 "--listen",
                 Address(own.grpc),
                 "--advertise",
                 Address(own.grpc),
                 "--http",
                 Address(own.http),
                 "--name",
                 spec.name,
                 "--log-dir",
                 layout.task_logs(),
                 "--log-format",
                 options.log_format,
                 "--exit-with-parent"};
    spec.log_file = layout.log(spec.name);
    spec.grpc_port = own.grpc;
    spec.http_port = own.http;
    specs.push_back(std::move(spec));
  }
  return specs;
}

std::vector<Node::Spec> PlanWorkers(const StandaloneOptions& options, const Layout& layout,
                                    const PortPlan& ports) {
  std::vector<Node::Spec> specs;
  for (const int http : ports.workers) {
    Node::Spec spec;
    spec.name = fmt::format("worker-{}", specs.size() + 1);
    spec.argv = {Program(options, "penstock-worker"),
                 "--schedulers",
                 SchedulerList(ports),
                 "--http",
                 Address(http),
                 "--name",
                 spec.name,
                 "--group",
                 "default",
                 "--queues",
                 "default",
                 "--slots",
                 std::to_string(Slots(options)),
                 "--grace",
                 fmt::format("{}ms", absl::ToInt64Milliseconds(options.drain_grace)),
                 "--work-dir",
                 layout.work(spec.name),
                 "--log-format",
                 options.log_format,
                 "--exit-with-parent"};
    spec.log_file = layout.log(spec.name);
    spec.http_port = http;
    specs.push_back(std::move(spec));
  }
  return specs;
}

absl::Status CheckPrograms(const std::vector<Node::Spec>& specs) {
  for (const Node::Spec& spec : specs) {
    if (access(spec.argv[0].c_str(), X_OK) == 0) continue;
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      fmt::format("{} is missing: it belongs beside penstock", spec.argv[0]));
  }
  return absl::OkStatus();
}

}  // namespace penstock::client
