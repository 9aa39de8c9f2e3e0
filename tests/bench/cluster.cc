#include "tests/bench/cluster.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/process/process_tree.h"
#include "common/process/spawn.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include "tests/bench/resources.h"
#include "tests/bench/runs.h"

namespace penstock::bench {
namespace {

absl::Status Standalone(const ClusterOptions& options, std::vector<std::string> more) {
  process::ProcessSpec spec;
  spec.argv = {options.bin_dir + "/penstock", "standalone", "--data", options.data_dir};
  spec.argv.insert(spec.argv.end(), more.begin(), more.end());
  PENSTOCK_ASSIGN_OR_RETURN(const process::CommandResult result,
                            process::RunCommand(spec, absl::Minutes(2)));
  if (result.ok()) return absl::OkStatus();
  return absl::InternalError(fmt::format("standalone failed: {}", result.output));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Start(const ClusterOptions& options) {
  std::unique_ptr<Cluster> cluster(new Cluster);
  cluster->options_ = options;
  PENSTOCK_RETURN_IF_ERROR(Standalone(
      options,
      {"--detach", "--port", "0", "--schedulers", std::to_string(options.schedulers), "--workers",
       std::to_string(options.workers), "--slots", std::to_string(options.slots)}));
  PENSTOCK_ASSIGN_OR_RETURN(const ClusterFacts facts, cluster->Facts());
  cluster->address_ = facts.address;
  cluster->client_ = cluster->NewClient();
  return cluster;
}

std::unique_ptr<Cluster> Cluster::Attach(const std::string& address) {
  std::unique_ptr<Cluster> cluster(new Cluster);
  cluster->address_ = address;
  cluster->client_ = cluster->NewClient();
  return cluster;
}

Cluster::~Cluster() {
  if (options_.data_dir.empty()) return;
  (void)Standalone(options_, {"--stop"});
  std::error_code ignored;
  std::filesystem::remove_all(options_.data_dir, ignored);
}

absl::StatusOr<ClusterFacts> Cluster::Facts() const {
  std::ifstream file(options_.data_dir + "/standalone.json");
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::NotFoundError("standalone.json is missing or broken");
  ClusterFacts facts;
  facts.address = json.value("address", "");
  facts.socket_dir = json["postgres"].value("socket_dir", "");
  for (const auto& [role, pids] : json["pids"].items()) {
    facts.pids[role] = pids.get<std::vector<pid_t>>();
  }
  // PostgreSQL's children come and go: those of this moment.
  std::vector<pid_t>& postgres = facts.pids["postgres"];
  postgres.resize(1);
  for (const process::ProcessStat& child :
       process::Descendants(postgres[0], {}, process::ListProcesses())) {
    postgres.push_back(child.pid);
  }
  return facts;
}

std::map<std::string, absl::Duration> Cluster::CpuUsed() const {
  std::map<std::string, absl::Duration> used;
  const auto facts = Facts();
  if (!facts.ok()) return used;
  for (const char* role : {"postgres", "scheduler", "worker"}) {
    used[role] = CpuTime(facts->pids.at(role));
  }
  return used;
}

std::unique_ptr<client::Client> Cluster::NewClient() const {
  client::ClientOptions options;
  options.addresses = {address_};
  return std::make_unique<client::Client>(std::move(options), RealClock());
}

absl::Status Cluster::Apply(const std::string& yaml) { return ApplyDag(*client_, yaml); }

absl::StatusOr<std::vector<int64_t>> Cluster::Trigger(client::Client& with, const std::string& dag,
                                                      int count) {
  return TriggerRuns(with, dag, count);
}

absl::Status Cluster::WaitForAll(absl::Duration at_most) {
  return WaitForAllRuns(*client_, at_most);
}

}  // namespace penstock::bench
