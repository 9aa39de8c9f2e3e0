// Sessions come, are trusted for a while, and go.
#include <algorithm>

#include "scheduler/core/domain.h"

namespace penstock::core {

// A hello says what the worker holds. What it does not hold was never delivered, or was handed
// back: ready again at once. What it holds without a lease is to be killed.
void Domain::On(SessionHello& e, Now now) {
  if (sessions_.HasEnded(e.info.id)) {
    out_.ended.push_back({e.info.id});
    return;
  }
  Session& session = sessions_.Add(e.info);
  session.binding = e.binding;
  session.credits = e.credits;
  session.draining = e.draining;
  session.shared = e.shared;
  session.wished = 0;
  session.trusted_until = std::max(session.trusted_until, now.steady + options_.terms.silence());
  out_.batch.sessions.push_back(e.info);
  out_.bound.push_back({e.info.id, e.binding});
  for (AttemptResult& result : e.unacknowledged) {
    AttemptEnded ended{e.info.id, std::move(result)};
    On(ended, now);
  }
  const absl::flat_hash_set<AttemptRef> held(e.running.begin(), e.running.end());
  const std::vector<TaskKey> leases(session.leases.begin(), session.leases.end());
  for (const TaskKey& key : leases) {
    const AttemptRef ref{key, runs_.at(key.run)->at(key.task).attempt};
    if (!held.contains(ref)) LoseLease(key, Cause::kHandedBack, now);
  }
  for (const AttemptRef& ref : e.running) {
    const auto live = live_.find(ref.key);
    const bool leased = live != live_.end() && live->second.session == e.info.id &&
                        runs_.at(ref.key.run)->at(ref.key.task).attempt == ref.attempt;
    if (leased && !live->second.revoked) continue;
    const Cause cause = leased ? *live->second.revoked : Cause::kCancelled;
    out_.revokes.push_back({e.info.id, e.binding, ref, cause});
  }
}

void Domain::On(BindingClosed& e, Now) {
  Session* session = sessions_.Find(e.session);
  if (session == nullptr || session->binding != e.binding) return;
  session->binding = BindingId();
  session->credits = 0;
}

void Domain::Confirm(const SessionConfirmed& e) {
  Session* session = sessions_.Find(e.session);
  if (session == nullptr) return;
  session->trusted_until = std::max(session->trusted_until, e.at + options_.terms.silence());
}

// It may be heard of before its last hello is, or more than once.
void Domain::On(SessionDead& e, Now now) {
  const Session* session = sessions_.Find(e.session);
  if (session != nullptr && !session->lost) LoseSession(e.session, now);
  sessions_.Ended(e.session);
}

void Domain::On(CreditsGranted& e, Now) {
  Session* session = sessions_.Find(e.session);
  if (session == nullptr || session->binding != e.binding || e.credits <= 0) return;
  sessions_.AddCredits(*session, e.credits);
}

void Domain::On(SessionDraining& e, Now) {
  if (Session* session = sessions_.Find(e.session)) session->draining = true;
}

void Domain::LoseSession(SessionId id, Now now) {
  Session* session = sessions_.Find(id);
  const std::vector<TaskKey> leases(session->leases.begin(), session->leases.end());
  for (const TaskKey& key : leases) LoseLease(key, Cause::kWorkerLost, now);
  out_.ended.push_back({id});
  session->lost = true;
  sessions_.Ended(id);
  if (session->leases.empty()) sessions_.Remove(id);
}

// A lease that this very batch creates has no row yet: it is taken back after the batch. One of a
// run that may not be touched waits for the run's turn, or for the end of its quarantine.
bool Domain::Defer(const Run& run, const TaskKey& key, Cause cause) {
  if (live_.at(key).dispatched_in != batch_number_ && MayTouch(run)) return false;
  deferred_losses_.emplace_back(key, cause);
  return true;
}

void Domain::LoseLease(const TaskKey& key, Cause cause, Now now) {
  Run& run = *runs_.at(key.run);
  if (Defer(run, key, cause)) return;
  const Live live = live_.at(key);
  AttemptResult lost;
  lost.ref = {key, run.at(key.task).attempt};
  lost.outcome = Outcome::kFailed;
  lost.cause = cause;
  lost.started_us = live.started_us;
  EndAttempt(run, key, live, lost, now);
}

// Tells sessions that are shared between domains whether more of their slots would be used here,
// and gives unused credits back.
void Domain::WishForCredits() {
  int64_t blocked = 0;
  for (ClassId id = 0; id < admission_.class_count(); ++id) {
    const WorkClass& cls = admission_.work_class(id);
    if (cls.no_room_at == sessions_.generation()) blocked += cls.ready - cls.held;
  }
  const auto wanted = static_cast<int32_t>(std::min<int64_t>(blocked, 1'000'000));
  for (const auto& [id, session] : sessions_.all()) {
    if (!session->usable() || !session->shared) continue;
    if ((session->wished > 0) != (wanted > 0)) {
      session->wished = wanted;
      out_.wishes.push_back({id, session->binding, wanted});
    }
    if (wanted == 0 && session->credits > 0) {
      out_.credit_returns.push_back({id, session->binding, session->credits});
      session->credits = 0;
    }
  }
}

}  // namespace penstock::core
