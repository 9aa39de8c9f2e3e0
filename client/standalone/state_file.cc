#include "client/standalone/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/base/status.h"
#include "common/process/unique_fd.h"

namespace penstock::client {
namespace {

using Json = nlohmann::ordered_json;
using process::PidIdentity;

constexpr int kVersion = 1;

std::string Address(int port) { return fmt::format("127.0.0.1:{}", port); }

Json Process(const PidIdentity& id) { return {{"pid", id.pid}, {"start_ticks", id.start_ticks}}; }

Json Node(const NodeState& node) {
  Json json = {{"name", node.name}};
  if (node.grpc_port != 0) json["grpc"] = Address(node.grpc_port);
  json["http"] = Address(node.http_port);
  json.update(Process(node.process));
  json["log"] = node.log_file;
  if (node.grpc_port == 0) {
    json["guardians"] = Json::array();
    for (const PidIdentity& guardian : node.guardians)
      json["guardians"].push_back(Process(guardian));
  }
  return json;
}

Json Nodes(const std::vector<NodeState>& nodes) {
  Json json = Json::array();
  for (const NodeState& node : nodes) json.push_back(Node(node));
  return json;
}

Json Pids(const std::vector<NodeState>& nodes) {
  Json json = Json::array();
  for (const NodeState& node : nodes) json.push_back(node.process.pid);
  return json;
}

Json PidsByRole(const ClusterState& state) {
  Json postgres = {state.postmaster.pid};
  for (const pid_t pid : state.postgres_children) postgres.push_back(pid);
  Json guardians = Json::array();
  for (const NodeState& worker : state.workers) {
    for (const PidIdentity& guardian : worker.guardians) guardians.push_back(guardian.pid);
  }
  return {{"supervisor", {state.supervisor.pid}},
          {"postgres", std::move(postgres)},
          {"scheduler", Pids(state.schedulers)},
          {"worker", Pids(state.workers)},
          {"guardian", std::move(guardians)}};
}

Json Postgres(const ClusterState& state) {
  Json json = Process(state.postmaster);
  json["socket_dir"] = state.socket_dir;
  json["dsn"] = state.dsn;
  json["data_dir"] = state.postgres_data_dir;
  json["log"] = state.postgres_log;
  return json;
}

// Texts may come from paths that are no UTF-8.
std::string Dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void Collect(const nlohmann::json& list, uint32_t boot, std::vector<PidIdentity>* into) {
  for (const auto& item : list) {
    into->push_back({item.at("pid").get<pid_t>(), item.at("start_ticks").get<uint64_t>(), boot});
  }
}

absl::Status WriteFailed(const std::filesystem::path& file) {
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    fmt::format("cannot write {}: {}", file.string(), std::strerror(errno)));
}

}  // namespace

std::string ToJson(const ClusterState& state) {
  Json json = {{"version", kVersion},
               {"data_dir", state.data_dir},
               {"started_at", state.started_at},
               {"boot", state.supervisor.boot},
               {"address", state.schedulers.empty() ? "" : Address(state.schedulers[0].grpc_port)},
               {"supervisor", Process(state.supervisor)},
               {"postgres", Postgres(state)},
               {"schedulers", Nodes(state.schedulers)},
               {"workers", Nodes(state.workers)},
               {"pids", PidsByRole(state)}};
  return Dump(json);
}

absl::Status WriteAtomically(const std::filesystem::path& file, std::string_view text) {
  const std::string fresh = file.string() + ".new";
  {
    const process::UniqueFd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd || !process::WriteAll(fd.get(), text)) return WriteFailed(file);
  }
  if (std::rename(fresh.c_str(), file.c_str()) != 0) return WriteFailed(file);
  return absl::OkStatus();
}

// The file is ours, but somebody may have edited it: anything odd means that nothing is known.
RecordedProcesses ReadProcesses(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) return {};
  try {
    const auto json = nlohmann::json::parse(in);
    if (json.at("version") != kVersion) return {};
    const auto boot = json.at("boot").get<uint32_t>();
    RecordedProcesses found;
    Collect(json.at("schedulers"), boot, &found.nodes);
    Collect(json.at("workers"), boot, &found.nodes);
    for (const auto& worker : json.at("workers")) {
      Collect(worker.at("guardians"), boot, &found.guardians);
    }
    return found;
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

}  // namespace penstock::client
