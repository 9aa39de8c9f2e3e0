#include "client/standalone/postgres_keeper.h"

#include <fmt/format.h>

#include <utility>

#include "common/base/random.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

constexpr absl::Duration kMaintenance = absl::Seconds(30);
constexpr absl::Duration kStopGrace = absl::Seconds(30);

}  // namespace

PostgresKeeper::PostgresKeeper(Say say, const Clock& clock)
    : say_(std::move(say)), clock_(clock), policy_(static_cast<uint64_t>(RandomId())) {}

absl::Status PostgresKeeper::Start(const pgserver::PrivateServerOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(server_, pgserver::PrivateServer::Start(options));
  return absl::OkStatus();
}

bool PostgresKeeper::Check() {
  const pgserver::ServerState state = server_->Poll();
  if (state == pgserver::ServerState::kRunning) {
    lost_ = false;
    return true;
  }
  if (!lost_) NoteLoss(state == pgserver::ServerState::kCrashed);
  return Revive();
}

void PostgresKeeper::NoteLoss(bool crashed) {
  lost_ = true;
  restart_at_ = clock_.Steady() + (crashed ? absl::ZeroDuration() : kMaintenance);
  say_(crashed ? "PostgreSQL has died; starting it again"
               : fmt::format("PostgreSQL was stopped; starting it again in {} unless it comes back",
                             absl::FormatDuration(kMaintenance)));
}

bool PostgresKeeper::Revive() {
  if (!server_->Adopt()) {
    if (clock_.Steady() < restart_at_) return false;
    const absl::Status status = server_->Restart();
    if (!status.ok()) {
      say_(std::string(Message(status)));
      restart_at_ = clock_.Steady() + policy_.PauseAfter(absl::ZeroDuration());
      return false;
    }
  }
  lost_ = false;
  say_(fmt::format("PostgreSQL is back (process {})", server_->pid()));
  return true;
}

absl::Status PostgresKeeper::Stop() {
  if (!server_) return absl::OkStatus();
  return server_->Stop(pgserver::StopMode::kFast, kStopGrace);
}

}  // namespace penstock::client
