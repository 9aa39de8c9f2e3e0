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
// After an outage: a beat that hangs is given up after 5 s, and the next one comes within a second.
constexpr absl::Duration kComingBack = absl::Seconds(6);

}  // namespace

// One question to all others, and what came back.
struct Isolation::Round {
  std::atomic<size_t> open;
  std::atomic<bool> answered{false};
  std::atomic<bool> ready{false};    // one of them reaches the database
  std::atomic<bool> beating{false};  // and has since this one does no longer
};

void Isolation::Look() {
  std::vector<std::string> others;
  if (!engine_.Ready()) {
    for (const store::SchedulerRow& row : engine_.View().schedulers) {
      if (row.id != engine_.self()) others.push_back(row.address);
    }
  }
  if (others.empty()) {
    MutexLock lock(&mu_);
    return Set(false);
  }
  if (asking_.exchange(true)) return;
  const auto round = std::make_shared<Round>();
  round->open = others.size();
  for (const std::string& address : others) Ask(address, round);
}

// Beats come at the same pace everywhere. When the database has just gone for all, the others' last
// ones are about as old as this scheduler's own; half its age can only be a beat that came after.
void Isolation::Ask(const std::string& address, const std::shared_ptr<Round>& round) {
  peers_.GetLastBeat(address, kPatience, [this, round](const absl::StatusOr<peer::LastBeat>& beat) {
    if (beat.ok()) {
      round->answered = true;
      if (beat->ready) round->ready = true;
      if (beat->ready && beat->age < engine_.SinceBeat() / 2) round->beating = true;
    }
    if (round->open.fetch_sub(1) > 1) return;
    Conclude(*round);
    asking_ = false;
  });
}

void Isolation::Conclude(const Round& round) {
  MutexLock lock(&mu_);
  const SteadyTime now = clock_.Steady();
  if (round.answered && !round.ready) all_out_ = now;
  Set(round.beating && now - all_out_ > kComingBack && !engine_.Ready());
}

void Isolation::Set(bool cut_off) {
  const bool was = cut_off_.exchange(cut_off);
  if (!was && !cut_off) return;
  if (!was) obs::Warning("cut off from the database, unlike others: refusing requests");
  if (!cut_off) obs::Info("no longer cut off from the database");
  // Again while it lasts: something may have slipped in.
  if (cut_off) engine_.GiveUpWaiting();
  told_(cut_off);
}

absl::Status CutOffError() {
  return absl::UnavailableError(
      "this scheduler does not reach the database, while others do: ask another one");
}

}  // namespace penstock::api
