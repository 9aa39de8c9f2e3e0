#pragma once
// standalone.json: what scripts, tests and the next start need to know about a cluster.
//
//   {"version": 1, "data_dir": ..., "started_at": ..., "boot": ..., "address": first gRPC address,
//    "supervisor": {"pid": 1, "start_ticks": 2},
//    "postgres": {"pid": .., "start_ticks": .., "socket_dir": .., "dsn": .., "data_dir": ..,
//                 "log": ..},
//    "schedulers": [{"name": .., "grpc": .., "http": .., "pid": .., "start_ticks": .., "log": ..}],
//    "workers": [{... the same without grpc, "guardians": [{"pid": .., "start_ticks": ..}]}],
//    "pids": {"supervisor": [..], "postgres": [..], "scheduler": [..], "worker": [..],
//             "guardian": [..]}}
//
// A pid names a process only together with its start_ticks and the boot. pids.postgres starts with
// the postmaster, followed by its children of the moment.
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/process/pid_identity.h"

namespace penstock::client {

struct NodeState {
  std::string name;
  process::PidIdentity process;
  int grpc_port = 0;  // 0: a worker
  int http_port = 0;
  std::string log_file;
  std::vector<process::PidIdentity> guardians;
  friend bool operator==(const NodeState&, const NodeState&) = default;
};

struct ClusterState {
  std::string data_dir;
  std::string started_at;  // RFC 3339, UTC
  process::PidIdentity supervisor;
  process::PidIdentity postmaster;
  std::vector<pid_t> postgres_children;
  std::string socket_dir, dsn, postgres_data_dir, postgres_log;
  std::vector<NodeState> schedulers;
  std::vector<NodeState> workers;
  friend bool operator==(const ClusterState&, const ClusterState&) = default;
};

std::string ToJson(const ClusterState& state);

// Replaces the file as a whole: a reader sees the old text or the new one.
absl::Status WriteAtomically(const std::filesystem::path& file, std::string_view text);

// The processes that a state file names, PostgreSQL's left out: schedulers and workers first, then
// guardians. Empty when the file is missing or unreadable.
struct RecordedProcesses {
  std::vector<process::PidIdentity> nodes;
  std::vector<process::PidIdentity> guardians;
};
RecordedProcesses ReadProcesses(const std::filesystem::path& file);

}  // namespace penstock::client
