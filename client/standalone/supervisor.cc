#include "client/standalone/supervisor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "client/standalone/leftovers.h"
#include "client/standalone/node_plan.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/process/process_tree.h"

namespace penstock::client {
namespace {

constexpr std::string_view kDatabase = "penstock";
constexpr absl::Duration kReadyPoll = absl::Milliseconds(50);
constexpr absl::Duration kEndPoll = absl::Milliseconds(100);
constexpr absl::Duration kQuietTick = absl::Seconds(1);
constexpr absl::Duration kBusyTick = absl::Milliseconds(100);
constexpr absl::Duration kRecordPeriod = absl::Seconds(5);
// A worker that ran out of its grace stops its tasks and sends what they left.
constexpr absl::Duration kWorkerSlack = absl::Seconds(20);
constexpr absl::Duration kSchedulerGrace = absl::Seconds(10);
// What a process gets between the second request to end and the kill.
constexpr absl::Duration kLastGrace = absl::Seconds(5);

// As DescribeEnd says it.
constexpr std::string_view kOrderly = "exit code 0";

// For "scheduler-1 ended (exit code 2): last line of its log".
std::string Ending(const Node& node, const std::string& how) {
  const std::string line = node.LastLogLine();
  return fmt::format("{} ended ({}){}{}", node.spec().name, how, line.empty() ? "" : ": ", line);
}

std::string ReadyText(const Node::Spec& spec) {
  const std::string grpc =
      spec.grpc_port == 0 ? "" : fmt::format(" on 127.0.0.1:{}", spec.grpc_port);
  return fmt::format("{} is ready{} (HTTP 127.0.0.1:{})", spec.name, grpc, spec.http_port);
}

std::vector<std::unique_ptr<Node>> MakeNodes(std::vector<Node::Spec> specs, const Clock& clock) {
  std::vector<std::unique_ptr<Node>> nodes;
  nodes.reserve(specs.size());
  for (Node::Spec& spec : specs) nodes.push_back(std::make_unique<Node>(std::move(spec), clock));
  return nodes;
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  for (const process::ProcessStat& stat : process::ListProcesses()) {
    if (stat.parent == parent && stat.alive()) children.push_back(stat.pid);
  }
  std::sort(children.begin(), children.end());
  return children;
}

}  // namespace

Supervisor::Supervisor(const StandaloneOptions& options, Layout layout, PortPlan ports, Say say,
                       SignalInbox& signals, const Clock& clock)
    : options_(options),
      layout_(std::move(layout)),
      say_(std::move(say)),
      started_at_(absl::FormatTime(absl::RFC3339_sec, clock.Wall(), absl::UTCTimeZone())),
      signals_(signals),
      clock_(clock),
      postgres_(say_, clock),
      schedulers_(MakeNodes(PlanSchedulers(options_, layout_, ports), clock)),
      workers_(MakeNodes(PlanWorkers(options_, layout_, ports), clock)) {}

absl::Status Supervisor::Start() {
  PENSTOCK_RETURN_IF_ERROR(StartPostgres());
  PENSTOCK_RETURN_IF_ERROR(StartNodes(schedulers_));
  PENSTOCK_RETURN_IF_ERROR(StartNodes(workers_));
  ready_ = true;
  Record();
  return absl::OkStatus();
}

absl::Status Supervisor::StartPostgres() {
  pgserver::PrivateServerOptions options;
  options.dir = layout_.postgres();
  options.bin_dir = options_.pg_bin_dir;
  options.stop_with_parent = true;
  options.durable = options_.durable;
  options.start_timeout = options_.start_timeout;
  PENSTOCK_RETURN_IF_ERROR(postgres_.Start(options));
  pgserver::PrivateServer& server = *postgres_.server();
  PENSTOCK_RETURN_IF_ERROR(server.EnsureDatabase(kDatabase));
  PENSTOCK_RETURN_IF_ERROR(WriteAtomically(layout_.dsn(), server.Dsn(kDatabase) + "\n"));
  say_(fmt::format("PostgreSQL {} is {} (process {})", server.major_version(),
                   server.adopted() ? "still running" : "ready", server.pid()));
  if (server.placement().relocated) {
    say_(fmt::format("note: its files are in {}, since user {} may not enter {}",
                     server.placement().root.string(), server.placement().user->name,
                     layout_.root.string()));
  }
  return absl::OkStatus();
}

absl::Status Supervisor::StartNodes(const Nodes& nodes) {
  for (const auto& node : nodes) {
    PENSTOCK_RETURN_IF_ERROR(node->Start());
    Record();
  }
  return WaitReady(nodes);
}

absl::Status Supervisor::WaitReady(const Nodes& nodes) {
  const SteadyTime deadline = clock_.Steady() + options_.start_timeout;
  for (const auto& node : nodes) {
    while (!node->Ready()) {
      PENSTOCK_RETURN_IF_ERROR(CheckStart(schedulers_));
      PENSTOCK_RETURN_IF_ERROR(CheckStart(workers_));
      if (clock_.Steady() > deadline) {
        return MakeStatus(absl::StatusCode::kDeadlineExceeded,
                          fmt::format("{} is not ready in time (log: {})", node->spec().name,
                                      node->spec().log_file));
      }
      signals_.Wait(kReadyPoll);
    }
    say_(ReadyText(node->spec()));
  }
  return absl::OkStatus();
}

absl::Status Supervisor::CheckStart(const Nodes& nodes) {
  if (signals_.stop_requests() > 0) return absl::CancelledError("stopped before it was ready");
  for (const auto& node : nodes) {
    if (const auto how = node->Reap()) {
      return MakeStatus(absl::StatusCode::kFailedPrecondition, Ending(*node, *how));
    }
  }
  return absl::OkStatus();
}

void Supervisor::Run() {
  SteadyTime record_at;
  pid_t postmaster = postgres_.server()->pid();
  while (signals_.stop_requests() == 0) {
    const bool schedulers_down = ReviveNodes(schedulers_);
    const bool workers_down = ReviveNodes(workers_);
    const bool all_up = postgres_.Check() && !schedulers_down && !workers_down;
    if (clock_.Steady() >= record_at || postmaster != postgres_.server()->pid()) {
      Record();
      postmaster = postgres_.server()->pid();
      record_at = clock_.Steady() + kRecordPeriod;
    }
    signals_.Wait(all_up ? kQuietTick : kBusyTick);
  }
}

bool Supervisor::ReviveNodes(const Nodes& nodes) {
  bool down = false;
  for (const auto& node : nodes) {
    if (const auto how = node->Reap()) say_(Ending(*node, *how) + "; restarting it");
    if (node->running()) continue;
    down = true;
    if (clock_.Steady() < node->restart_at()) continue;
    const absl::Status status = node->Start();
    say_(status.ok() ? fmt::format("{} runs again", node->spec().name)
                     : std::string(Message(status)));
    Record();
  }
  return down;
}

absl::Status Supervisor::Stop() {
  if (postgres_.server() != nullptr) Record();
  StopNodes(workers_, options_.drain_grace + kWorkerSlack);
  StopNodes(schedulers_, kSchedulerGrace);
  PENSTOCK_RETURN_IF_ERROR(EndLeftovers(layout_).status());
  PENSTOCK_RETURN_IF_ERROR(postgres_.Stop());
  std::error_code error;
  std::filesystem::remove(layout_.state(), error);
  std::filesystem::remove(layout_.processes(), error);
  return absl::OkStatus();
}

void Supervisor::StopNodes(const Nodes& nodes, absl::Duration grace) {
  // The second request means: end at once.
  for (const auto& [signal, patience] : {std::pair(SIGTERM, grace), std::pair(SIGTERM, kLastGrace),
                                         std::pair(SIGKILL, kLastGrace)}) {
    for (const auto& node : nodes) node->Signal(signal);
    if (WaitEnded(nodes, signal == SIGKILL || !Hurried() ? patience : absl::ZeroDuration())) return;
  }
}

bool Supervisor::WaitEnded(const Nodes& nodes, absl::Duration patience) {
  const int requests = signals_.stop_requests();
  const SteadyTime deadline = clock_.Steady() + patience;
  while (true) {
    bool running = false;
    for (const auto& node : nodes) {
      const auto how = node->Reap();
      if (how && *how != kOrderly) say_(Ending(*node, *how));
      running = running || node->running();
    }
    if (!running) return true;
    if (clock_.Steady() >= deadline || signals_.stop_requests() > requests) return false;
    signals_.Wait(kEndPoll);
  }
}

ClusterState Supervisor::Describe() const {
  const pgserver::PrivateServer& server = *postgres_.server();
  ClusterState state;
  state.data_dir = layout_.root;
  state.started_at = started_at_;
  state.supervisor = process::Identify(getpid()).value_or(process::PidIdentity{});
  state.postmaster = process::Identify(server.pid()).value_or(process::PidIdentity{});
  if (server.pid() != 0) state.postgres_children = ChildrenOf(server.pid());
  state.socket_dir = server.socket_dir();
  state.dsn = server.Dsn(kDatabase);
  state.postgres_data_dir = server.placement().data_dir;
  state.postgres_log = server.placement().log_file;
  for (const auto& node : schedulers_) state.schedulers.push_back(node->Describe());
  for (const auto& node : workers_) state.workers.push_back(node->Describe());
  return state;
}

void Supervisor::Record() {
  for (const auto* nodes : {&schedulers_, &workers_}) {
    for (const auto& node : *nodes) TrimLog(node->spec().log_file);
  }
  const std::string text = ToJson(Describe());
  Write(layout_.processes(), text, &recorded_processes_);
  if (ready_) Write(layout_.state(), text, &recorded_state_);
}

void Supervisor::Write(const std::filesystem::path& file, const std::string& text,
                       std::string* last) {
  if (text == *last) return;
  const absl::Status status = WriteAtomically(file, text);
  if (!status.ok()) say_(std::string(Message(status)));
  *last = text;
}

}  // namespace penstock::client
