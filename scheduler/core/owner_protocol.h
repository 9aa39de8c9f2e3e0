#pragma once
// One domain as one scheduler handles it: follow, take over, gather and flush, settle what is in
// doubt, reload, let go. Pure, like Domain: the carrier performs the requests that it is handed
// and brings the answers back. The simulator runs this very code.
//
//   follower --TakeOver--> owner --Flush--> owner ... --Release--> follower
//                            |  flush rejected, failed or unknown
//                            +--Reload--> owner   (same epoch; its memory is built anew)
//   A load that finds commits missing begins a new life of the domain: nothing is done in it before
//   every lease that the lost part may have given out has ended; then comes a Reload.
//   In careful mode: owner --Note--> owner, one input, --Flush--> owner --Note--> ...
//   Anyone else's epoch, seen anywhere, makes it a follower at once.
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/base/backoff.h"
#include "scheduler/core/domain.h"
#include "scheduler/core/suspect.h"

namespace penstock::core {

// What became of a flush.
enum class FlushVerdict {
  kCommitted,
  kFenced,    // someone else owns the domain now: let go at once
  kRejected,  // certainly not committed: a row was not as expected, or a constraint refused it
  kFailed,    // certainly not committed: the database was not reachable or had a passing fault
  kUnknown,   // the outcome is not known: reload with this flush_seq in doubt
};

struct FlushResult {
  FlushVerdict verdict = FlushVerdict::kFailed;
  absl::Status status;  // OK with kCommitted, else what happened
  RunId culprit;        // with kRejected: the run whose row refused; 0 = not known
};

// A load that found its place in the fence. `in_doubt_committed` answers the question asked.
struct LoadResult {
  DomainFacts facts;
  std::optional<bool> in_doubt_committed;
};

// Not thread-safe: the owner's thread. At most one request is outstanding.
class OwnerProtocol {
 public:
  struct Options {
    DomainId domain;
    DomainOptions core;
    size_t max_queue = 200'000;  // events and commands that wait; more are refused
    // Takeovers, and reloads after refused flushes, without progress before inputs go one by one.
    int careful_after = 2;
    // What ended the last process comes again after a load: most of it at once, or with hellos and
    // repeated requests within this time, ...
    absl::Duration probation = absl::Seconds(3);
    // ... and the rest when sessions that stay away are given up, or a worker has come back.
    absl::Duration settled() const { return core.terms.takeover_wait() + probation; }
    int long_care_after = 4;  // loads without progress before care lasts until then
  };
  // `known`: the last flush of the domain that this process knows to be committed; 0 = none.
  struct TakeOver {
    Epoch seen;
    FlushSeq known = {};
  };
  // `waited`: the leases of the domain's life before have ended. `refused`: a flush was, so that
  // this counts as a load without progress; that the database was away does not.
  struct Reload {
    Epoch epoch;
    FlushSeq in_doubt = {};
    FlushSeq known = {};
    bool waited = false;
    bool refused = false;
  };
  struct Flush {
    Epoch epoch;
    FlushSeq seq;
    const FlushBatch* batch;
  };  // until OnFlushed
  struct TakeIds {
    Epoch epoch;
    int64_t count;
  };
  struct Release {
    Epoch epoch;
  };
  // Make it durable what is about to be applied, before it is: a Suspicion as text.
  struct Note {
    Epoch epoch;
    std::string suspect;
  };
  using Request = std::variant<TakeOver, Reload, Flush, TakeIds, Release, Note>;

  OwnerProtocol(Options options, uint64_t seed);

  // ---- Steering ----
  // The domain's row as just read. A higher epoch than ours ends our ownership. A row that names us
  // although we neither own the domain nor are about to makes us take it.
  void Observe(Epoch epoch, SchedulerId owner, SchedulerId self, Now now);
  // The judge decided that this scheduler is to own the domain.
  void WantOwnership() { wanted_ = true; }
  // The database is on another timeline than at the last load: load again, so that it is known
  // whether commits are missing while there is somebody who can tell.
  void Recheck(Now now);
  // Let go in an orderly way: what is applied is flushed first.
  void WantRelease() { release_wanted_ = true; }

  // ---- Input ----
  // False when too much waits already (the caller answers RESOURCE_EXHAUSTED) or when this
  // scheduler does not own the domain. While a reload is under way commands wait for its end.
  bool Offer(Event event);

  // ---- The carrier's loop ----
  // Applies what waits and does due work, as far as the batch has room. Allowed at any time.
  void Pump(Now now);
  // What to do next, if anything: hand the answer back through the matching function.
  std::optional<Request> Next(Now now);
  void OnLoaded(absl::StatusOr<LoadResult> result, const VersionMap& versions, Now now);
  void OnFlushed(const FlushResult& result, Now now);
  void OnIds(const absl::StatusOr<std::pair<RunId, int64_t>>& ids, Now now);
  void OnReleased(const absl::Status& status, Now now);
  void OnNoted(const absl::Status& status, Now now);
  // Effects whose flush has been committed, oldest first: act on them.
  std::vector<Effects> TakeDeliveries();
  // Versions that the domain lacks; the carrier offers VersionLoaded events.
  std::vector<VersionId> TakeWantedVersions();

  // ---- State ----
  bool owner() const { return domain_ != nullptr && !lost_; }
  // Ours, but its memory is being built anew.
  bool reloading() const { return domain_ == nullptr && reload_due_ && !lost_; }
  // Reloading, and no session may be confirmed meanwhile: leases of the life before have to end.
  bool waiting() const { return waits_; }
  Epoch epoch() const { return epoch_; }
  FlushSeq flush_seq() const { return seq_; }
  // Grows with every (re)load: sessions have to say hello again.
  int64_t generation() const { return generation_; }
  bool careful() const { return careful_; }
  const std::string& trouble() const { return trouble_; }
  const Domain* domain() const { return domain_.get(); }
  // What the domain shows now is durable once covered() has reached this mark (and the
  // generation is still the same).
  uint64_t ReadMark() const {
    return domain_ != nullptr && domain_->HasEffects() ? taken_ + 1 : taken_;
  }
  uint64_t covered() const { return covered_; }
  // The outstanding flush is a full one: it may have left work behind.
  bool flushing_full() const {
    return in_flight_ && in_flight_->batch.rows() >= options_.core.max_rows;
  }
  // Events and commands that were offered and not applied yet.
  size_t queued() const { return queue_.size(); }
  // What the outstanding flush carries; null when there is none. For the simulator's mutations.
  const Effects* in_flight() const { return in_flight_ ? &*in_flight_ : nullptr; }
  SteadyTime NextSteady() const;

 private:
  enum class Busy { kNo, kLoading, kFlushing, kIds, kReleasing, kNoting };

  void BecomeFollower(std::string_view why);
  void AnswerUndecided(std::vector<Command>& commands, std::string_view why, bool in_doubt);
  void RequeueApplied();
  bool ApplyOne(Now now);
  void KeepTrust(const SessionConfirmed& confirmed);
  void StartReload(FlushSeq in_doubt, std::string_view why, Now now);
  void WaitForLeases(const DomainFacts& facts, Now now);
  void Poisoned(const FlushResult& result, Now now);
  std::optional<Request> NextFlush(Now now);
  // Careful mode.
  void ArrangeNext(Now now);
  bool HelloFirst();
  bool ResumeFirst();
  bool MayComeNext(const Event& event) const;
  Suspicion SuspicionOf(const Event& event) const;
  std::optional<Request> NextNote();
  void Accuse(Now now);
  void SetAside(const std::string& suspect, Now now);
  void RefuseSuspects(Now now);
  void Refuse(const Command& command, std::string_view why);
  bool MayWork() const;
  bool WaitsCarefully() const;
  bool CaredEnough(Now now) const;

  const Options options_;
  Backoff backoff_;
  std::unique_ptr<Domain> domain_;
  std::deque<Event> queue_;                  // not applied yet
  std::vector<Command> applied_;             // in the batch being gathered
  std::vector<Command> in_flight_commands_;  // in the batch being flushed, or in doubt
  std::optional<Effects> in_flight_;         // of the batch being flushed, or in doubt
  std::vector<Effects> deliveries_;
  absl::btree_map<Epoch, SteadyTime> epochs_seen_;
  absl::flat_hash_map<SessionId, SteadyTime> trust_;
  absl::flat_hash_map<RunId, std::string> quarantine_;    // not in the runs' rows yet
  absl::flat_hash_map<std::string, SteadyTime> refused_;  // suspects, and until when
  Suspicion noted_;                                       // what is durable
  Suspicion noting_;                                      // what it is to be
  std::vector<std::string> former_;                       // suspects that one process ended at
  SteadyTime loaded_at_;  // or, in careful mode, the last run has begun
  Busy busy_ = Busy::kNo;
  Epoch epoch_;
  Epoch seen_epoch_;
  Epoch released_;  // the latest epoch that we let go of
  FlushSeq seq_;
  FlushSeq in_doubt_;
  int64_t generation_ = 0;
  uint64_t taken_ = 0;    // batches taken from the domain
  uint64_t covered_ = 0;  // of these, committed
  int64_t wanted_ids_ = 0;
  SteadyTime not_before_;  // back-off of loads
  bool reload_due_ = false;
  bool waits_ = false;  // the reload comes when leases have ended
  bool wanted_ = false;
  bool release_wanted_ = false;
  bool lost_ = false;
  bool careful_ = false;
  bool long_care_ = false;
  bool progress_ = false;  // of the batch being flushed
  bool rejected_ = false;  // the last flush was
  std::string trouble_;
};

}  // namespace penstock::core
