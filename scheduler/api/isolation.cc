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

// One question to all others.
struct Isolation::Round {
  std::atomic<size_t> open;
  std::atomic<bool> others_beat{false};
};

void Isolation::Look() {
  if (engine_.Ready()) return Set(false);
  // Commands may have slipped in since the last look.
  if (cut_off()) engine_.GiveUpWaiting();
  std::vector<std::string> others;
  for (const store::SchedulerRow& row : engine_.View().schedulers) {
    if (row.id != engine_.self()) others.push_back(row.address);
  }
  if (others.empty()) return Set(false);
  if (asking_.exchange(true)) return;
  const auto round = std::make_shared<Round>();
  round->open = others.size();
  for (const std::string& address : others) Ask(address, round);
}

// Beats come at the same pace everywhere. When the database has gone for all, the others' last ones
// are about as old as this scheduler's own; half its age can only be a beat that came after.
void Isolation::Ask(const std::string& address, const std::shared_ptr<Round>& round) {
  peers_.GetLastBeat(address, kPatience, [this, round](const absl::StatusOr<absl::Duration>& age) {
    if (age.ok() && *age < engine_.SinceBeat() / 2) {
      round->others_beat = true;
      Set(!engine_.Ready());
    }
    if (round->open.fetch_sub(1) > 1) return;
    asking_ = false;
    if (!round->others_beat) Set(false);
  });
}

// Under a lock, so that nobody is told in another order than that of the changes.
void Isolation::Set(bool cut_off) {
  MutexLock lock(&mu_);
  if (cut_off_.exchange(cut_off) == cut_off) return;
  if (cut_off) {
    obs::Warning("cut off from the database, unlike others: refusing requests");
    engine_.GiveUpWaiting();
  } else {
    obs::Info("no longer cut off from the database");
  }
  told_(cut_off);
}

absl::Status CutOffError() {
  return absl::UnavailableError(
      "this scheduler does not reach the database, while others do: ask another one");
}

}  // namespace penstock::api
