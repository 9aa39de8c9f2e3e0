// Machines whose packets are lost: no connection is closed, no error comes back, and what is sent
// waits in the kernel. Each part of the fleet is on a machine of its own.
#include <cstdio>
#include <functional>

#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "tests/bench/resources.h"
#include "tests/chaos/stage.h"

namespace penstock::chaos {
namespace {

constexpr absl::Duration kBefore = absl::Seconds(3);
constexpr absl::Duration kFault = absl::Seconds(12);  // twice the session term
constexpr absl::Duration kAfter = absl::Seconds(3);
// Another scheduler owns the domain a domain term (2 s) after the last sign of life, and workers
// have found it soon after; the rest is for busy machines. Less than the fault lasts.
constexpr double kTakeoverSeconds = 10;

// "scheduler-1" of the domain that the workload runs in.
absl::StatusOr<std::string> Owner(Fleet& fleet) {
  std::string name = fleet.Query(
      "select s.name from penstock.domain d join penstock.scheduler s on s.id = d.owner"
      " join penstock.namespace n on n.domain_id = d.id where n.name = 'default'");
  if (name.starts_with("scheduler-")) return name;
  return absl::NotFoundError(fmt::format("the domain has no owner: \"{}\"", name));
}

absl::Duration CpuTimeOfSchedulers(Fleet& fleet) {
  std::vector<pid_t> pids;
  for (const Node& node : fleet.schedulers()) pids.push_back(node.pid());
  return bench::CpuTime(pids);
}

// Whom the load's client asks first.
enum class Client { kOfOwner, kOfAnother };

// The owner that was cut off must have lost the domain.
absl::StatusOr<bool> WithoutOwner(
    Stage& stage, Client client,
    const std::function<absl::Status(Machines&, const std::string&)>& fault) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string owner, Owner(*stage.fleet));
  const bool first = (owner == "scheduler-1") == (client == Client::kOfOwner);
  const auto load = stage.StartLoad(first ? 0 : 1);
  absl::SleepFor(kBefore);
  PENSTOCK_RETURN_IF_ERROR(fault(*stage.fleet->machines(), owner));
  absl::SleepFor(kFault);
  PENSTOCK_ASSIGN_OR_RETURN(const std::string other, Owner(*stage.fleet));
  PENSTOCK_RETURN_IF_ERROR(stage.fleet->Heal());
  absl::SleepFor(kAfter);
  std::printf("%s was cut off, %s took over\n", owner.c_str(), other.c_str());
  std::vector<std::string> violations;
  if (other == owner) violations.emplace_back("nobody took over");
  return Conclude(stage, *load, std::move(violations), kTakeoverSeconds);
}

}  // namespace

// A client of the unplugged machine waits until its keepalive gives up, as with any server.
absl::StatusOr<bool> UnplugOwner(Stage& stage) {
  return WithoutOwner(stage, Client::kOfAnother, [](Machines& machines, const std::string& owner) {
    return machines.Unplug(owner);
  });
}

// The owner is well but for its statements: it sends its clients to the other scheduler.
absl::StatusOr<bool> LoseOwnersStatements(Stage& stage) {
  return WithoutOwner(stage, Client::kOfOwner,
                      [](Machines& machines, const std::string& owner) -> absl::Status {
                        PENSTOCK_RETURN_IF_ERROR(machines.Lose(owner, "database"));
                        return machines.Lose("database", owner);
                      });
}

absl::StatusOr<bool> UnplugDatabase(Stage& stage) {
  constexpr absl::Duration kAway = absl::Seconds(6);
  constexpr double kReturnSeconds = 6;
  const auto load = stage.StartLoad();
  absl::SleepFor(kBefore);
  const absl::Duration before = CpuTimeOfSchedulers(*stage.fleet);
  PENSTOCK_RETURN_IF_ERROR(stage.fleet->machines()->Unplug("database"));
  absl::SleepFor(kAway);
  const absl::Duration used = CpuTimeOfSchedulers(*stage.fleet) - before;
  PENSTOCK_RETURN_IF_ERROR(stage.fleet->Heal());
  absl::SleepFor(kAfter);
  std::printf("the schedulers used %.2f s of processor time in %.0f s\n",
              absl::ToDoubleSeconds(used), absl::ToDoubleSeconds(kAway));
  std::vector<std::string> violations;
  if (used > kAway / 10) violations.emplace_back("schedulers do not rest while they wait");
  return Conclude(stage, *load, std::move(violations),
                  absl::ToDoubleSeconds(kAway) + kReturnSeconds);
}

absl::StatusOr<bool> UnplugWorker(Stage& stage) {
  return CutOff(stage, [](Fleet& fleet) { return fleet.machines()->Unplug("worker-1"); });
}

}  // namespace penstock::chaos
