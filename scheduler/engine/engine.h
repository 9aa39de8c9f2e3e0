#pragma once
// What the rest of a scheduler process does with the domains that this process owns.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/ids.h"
#include "scheduler/core/domain.h"
#include "scheduler/core/events.h"
#include "scheduler/store/fleet_store.h"

namespace penstock::engine {

// Where a domain is decided at the moment.
struct Place {
  bool local = false;
  std::string address;  // of the owner's gRPC server, when not local
  SchedulerId owner;
  Epoch epoch;
};

// Thread-safe; nothing here blocks. Callbacks run in the turn of a domain: they must only hand
// over.
class Engine {
 public:
  virtual ~Engine() = default;

  // UNAVAILABLE when nobody owns the domain now (a takeover takes under a second, or a lease
  // term); NOT_FOUND when there is no such domain.
  virtual absl::StatusOr<Place> Locate(DomainId domain) const = 0;

  // Applies a command; `done` is called exactly once, after the commit. A status of UNAVAILABLE
  // means that nothing was decided and it may be repeated, unless it is InDoubt (errors.h);
  // NotOwner that the domain has moved or is being loaded again.
  using Done = std::function<void(core::Reply)>;
  virtual void Execute(DomainId domain, core::CommandBody command, std::string actor,
                       Done done) = 0;

  // Runs `read` on the owner's state once everything that it can see is committed; `done` follows
  // with OK, or alone with UNAVAILABLE or NotOwner.
  virtual void Read(DomainId domain, std::function<void(const core::Domain&)> read,
                    std::function<void(absl::Status)> done) = 0;

  // Calls `changed` at most every 100 ms after the run changed, until the returned handle dies.
  // Only for runs of local domains; `changed` must only hand over.
  virtual std::shared_ptr<void> WatchRun(DomainId domain, RunId run,
                                         std::function<void()> changed) = 0;

  // The fleet as of the last beat.
  virtual store::FleetView View() const = 0;
  virtual SchedulerId self() const = 0;

  // A beat reached the database within the last domain term: others may still count on this one.
  virtual bool Ready() const = 0;
  // How long ago the last beat that reached the database was sent; years before the
  // first, and when this scheduler was declared dead.
  virtual absl::Duration SinceBeat() const = 0;
  // Answers the commands and reads that wait for the database, commands as InDoubt.
  virtual void GiveUpWaiting() = 0;

  // A hint that the domain's inbox has something new.
  virtual void InboxHint(DomainId domain) = 0;
};

}  // namespace penstock::engine
