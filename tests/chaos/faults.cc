#include "tests/chaos/faults.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "fmt/format.h"

namespace penstock::chaos {

FaultStorm::FaultStorm(Fleet& fleet, uint64_t seed, absl::Duration pause, const Clock& clock,
                       std::function<void(const std::string&)> tell)
    : fleet_(fleet),
      random_(seed),
      pause_(pause),
      clock_(clock),
      tell_(std::move(tell)),
      next_(clock.Steady() + pause) {}

void FaultStorm::Step() {
  const SteadyTime now = clock_.Steady();
  for (auto it = active_.begin(); it != active_.end();) {
    if (it->until > now) {
      ++it;
      continue;
    }
    End(*it);
    it = active_.erase(it);
  }
  if (now < next_) return;
  next_ = now + pause_ * (0.2 + 1.6 * random_.Unit());
  Fault fault = Pick();
  const bool busy = std::any_of(active_.begin(), active_.end(), [&](const Active& other) {
    return other.fault.target == fault.target;
  });
  if (busy) return;
  tell_(fmt::format("begin {} for {:.1f} s", fault.name, absl::ToDoubleSeconds(fault.length)));
  fault.begin();
  ++count_;
  const SteadyTime end = now + fault.length;
  active_.push_back({std::move(fault), end});
}

void FaultStorm::Calm() {
  for (Active& active : active_) End(active);
  active_.clear();
}

void FaultStorm::End(Active& active) {
  // Nothing else happens meanwhile: PostgreSQL's own recovery may take seconds on a busy disk.
  const SteadyTime begin = clock_.Steady();
  active.fault.end();
  tell_(fmt::format("end   {} (took {:.1f} s)", active.fault.name,
                    absl::ToDoubleSeconds(clock_.Steady() - begin)));
}

absl::Duration FaultStorm::Between(absl::Duration least, absl::Duration most) {
  return least + (most - least) * random_.Unit();
}

Fault FaultStorm::Pick() {
  const size_t scheduler = random_.Below(fleet_.schedulers().size());
  const size_t worker = random_.Below(fleet_.workers().size());
  switch (random_.Below(4)) {
    case 0:
      return OfScheduler(scheduler);
    case 1:
      return OfWorker(worker);
    case 2:
      if (fleet_.machines() != nullptr && random_.OneIn(2)) return OfMachines(scheduler, worker);
      return OfNetwork(scheduler);
    default:
      return OfDatabase();
  }
}

Fault FaultStorm::OfScheduler(size_t which) {
  Node* node = &fleet_.schedulers()[which];
  const std::string target = fmt::format("scheduler-{}", which + 1);
  const auto length = Between(absl::Milliseconds(300), absl::Seconds(6));
  if (random_.OneIn(2)) {
    return {"kill " + target, target, length, [node] { node->Kill(); },
            [node] { (void)node->Start(); }};
  }
  return {"stop " + target, target, length, [node] { node->Signal(SIGSTOP); },
          [node] { node->Signal(SIGCONT); }};
}

Fault FaultStorm::OfWorker(size_t which) {
  Node* node = &fleet_.workers()[which];
  const std::string target = fmt::format("worker-{}", which + 1);
  if (random_.OneIn(2)) {
    return {"kill " + target, target, Between(absl::Milliseconds(300), absl::Seconds(4)),
            [node] { node->Kill(); }, [node] { (void)node->Start(); }};
  }
  // Beyond the session's lease at times.
  return {"stop " + target, target, Between(absl::Seconds(1), absl::Seconds(12)),
          [node] { node->Signal(SIGSTOP); }, [node] { node->Signal(SIGCONT); }};
}

Fault FaultStorm::OfMachines(size_t scheduler, size_t worker) {
  Machines* machines = fleet_.machines();
  const auto length = Between(absl::Milliseconds(500), absl::Seconds(8));
  const auto heal = [machines] { (void)machines->Heal(); };
  const std::string names[] = {fmt::format("scheduler-{}", scheduler + 1),
                               fmt::format("worker-{}", worker + 1), "database"};
  if (random_.OneIn(2)) {
    const std::string& name = names[random_.Below(std::size(names))];
    return {"unplug " + name, "machines", length,
            [machines, name] { (void)machines->Unplug(name); }, heal};
  }
  // A scheduler and one of the others, in either direction or both.
  const std::string& one = names[0];
  const std::string& other = names[1 + random_.Below(2)];
  static constexpr const char* kWays[] = {"gets from", "sends to", "says to or hears from"};
  const size_t way = random_.Below(std::size(kWays));
  return {fmt::format("lose what {} {} {}", one, kWays[way], other), "machines", length,
          [=] {
            if (way != 0) (void)machines->Lose(one, other);
            if (way != 1) (void)machines->Lose(other, one);
          },
          heal};
}

Fault FaultStorm::OfNetwork(size_t scheduler) {
  const bool database = fleet_.machines() != nullptr || random_.OneIn(2);
  RunningProxy* proxy =
      database ? &fleet_.database_proxy(scheduler) : &fleet_.scheduler_proxy(scheduler);
  static constexpr const char* kCommands[] = {"stall",  "stall up", "stall down", "reset",
                                              "refuse", "delay 20", "rate 200000"};
  const std::string command = kCommands[random_.Below(std::size(kCommands))];
  const std::string target = fmt::format("network {} scheduler-{}",
                                         database ? "database to" : "in front of", scheduler + 1);
  return {fmt::format("{}: {}", target, command), target,
          Between(absl::Milliseconds(500), absl::Seconds(8)),
          [proxy, command] { proxy->Command(command); }, [proxy] { proxy->Command("pass"); }};
}

Fault FaultStorm::OfDatabase() {
  pgserver::PrivateServer* server = &fleet_.postgres();
  const std::string target = "postgres";
  const auto restart = [server] { (void)server->Restart(); };
  switch (random_.Below(3)) {
    case 0:
      return {"restart postgres", target, Between(absl::Milliseconds(100), absl::Seconds(4)),
              [server] { (void)server->Stop(pgserver::StopMode::kFast, absl::Seconds(10)); },
              restart};
    case 1:
      return {"crash postgres", target, Between(absl::Milliseconds(100), absl::Seconds(2)),
              [server] { (void)server->Stop(pgserver::StopMode::kImmediate, absl::Seconds(10)); },
              restart};
    default:
      return {"end all backends", target, absl::Milliseconds(100),
              [this] {
                fleet_.Query(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where pid <> pg_backend_pid() and backend_type = 'client backend'");
              },
              [] {}};
  }
}

}  // namespace penstock::chaos
