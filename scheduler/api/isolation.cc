#include "scheduler/api/isolation.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/obs/log.h"

namespace penstock::api {
namespace {

// Of an answer about a beat. Longer than a busy peer takes; short beside a domain term.
constexpr absl::Duration kPatience = absl::Milliseconds(500);

}  // namespace

// One question to all others, and what came back.
struct Isolation::Round {
  Mutex mu;
  size_t open ABSL_GUARDED_BY(mu) = 0;
  std::vector<core::LastBeat> beats ABSL_GUARDED_BY(mu);

  // True when this was the last answer.
  bool Take(const absl::StatusOr<core::LastBeat>& beat) {
    MutexLock lock(&mu);
    if (beat.ok()) beats.push_back(*beat);
    return --open == 0;
  }
  std::vector<core::LastBeat> All() {
    MutexLock lock(&mu);
    return beats;
  }
};

void Isolation::Look() {
  std::vector<std::string> others;
  if (!engine_.Ready()) {
    for (const store::SchedulerRow& row : engine_.View().schedulers) {
      if (row.id != engine_.self()) others.push_back(row.address);
    }
  }
  if (others.empty()) return Conclude({});
  if (asking_.exchange(true)) return;
  const auto round = std::make_shared<Round>();
  {
    MutexLock lock(&round->mu);
    round->open = others.size();
  }
  for (const std::string& address : others) {
    peers_.GetLastBeat(address, kPatience,
                       [this, round](const absl::StatusOr<core::LastBeat>& beat) {
                         if (!round->Take(beat)) return;
                         Conclude(round->All());
                         asking_ = false;
                       });
  }
}

void Isolation::Conclude(const std::vector<core::LastBeat>& others) {
  MutexLock lock(&mu_);
  const core::LastBeat own{engine_.SinceBeat(), engine_.Ready()};
  const bool cut_off = judge_.CutOff(own, others, clock_.Steady());
  const bool was = cut_off_.exchange(cut_off);
  if (!was && !cut_off) return;
  if (!was) obs::Warning("cut off from the database, unlike others: refusing requests");
  if (!cut_off) obs::Info("no longer cut off from the database");
  // Again while it lasts: something may have slipped in.
  if (cut_off) engine_.GiveUpWaiting();
  if (told_) told_(cut_off);
}

absl::Status CutOffError() {
  return absl::UnavailableError(
      "this scheduler does not reach the database, while others do: ask another one");
}

}  // namespace penstock::api
