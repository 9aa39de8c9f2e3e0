#include "scheduler/sim/database.h"

#include <utility>

namespace penstock::sim {
namespace {

// A call that cannot be made is noticed after a while, like a refused or timed-out connection.
constexpr int64_t kRefusalUs = 50'000;

}  // namespace

void Database::Flush(Connection* c, Epoch epoch, FlushSeq seq, const core::FlushBatch& batch,
                     OnFlush done) {
  EventLoop& loop = world_.loop();
  if (!Reachable(c)) {
    loop.After(kRefusalUs, [done] {
      done({core::FlushVerdict::kFailed, absl::UnavailableError("no connection"), RunId()});
    });
    return;
  }
  // The batch is copied: the caller's memory may go before the database is done with it.
  auto copy = std::make_shared<const core::FlushBatch>(batch);
  const int64_t at_us = loop.now_us() + Latency();
  pending_until_ = std::max(pending_until_, at_us);
  const int64_t life = life_;
  const int64_t connection = c->life;
  // Sometimes the connection breaks, before or after the commit.
  const bool breaks = world_.options().faults && world_.options().lost_answers && !world_.quiet() &&
                      world_.random().OneIn(120);
  const bool arrives = !breaks || world_.random().OneIn(2);
  loop.At(at_us, [=, this] {
    core::FlushResult result{core::FlushVerdict::kUnknown, absl::UnavailableError("lost"), RunId()};
    // A database that crashed in between may or may not have got to it.
    const bool reached = arrives && (life == life_ || world_.random().OneIn(2));
    if (reached && !down_) {
      result = world_.store().Flush(epoch, seq, *copy);
      if (result.verdict == core::FlushVerdict::kCommitted) ++world_.report().flushes;
    }
    const bool answered = life == life_ && !down_ && !c->cut && c->life == connection && !breaks;
    if (!answered) {
      result = {core::FlushVerdict::kUnknown, absl::UnavailableError("connection lost"), RunId()};
    }
    world_.loop().After(answered ? Latency() : kRefusalUs, [done, result] { done(result); });
  });
}

void Database::TakeOver(Connection* c, SchedulerId self,
                        const core::OwnerProtocol::TakeOver& request, OnLoad done) {
  auto result =
      std::make_shared<absl::StatusOr<core::LoadResult>>(absl::UnavailableError("no connection"));
  Call(
      c,
      [=, this] {
        *result = world_.store().TakeOver(self, request);
        if (result->ok()) ++world_.report().takeovers;
      },
      [=](bool ok) { done(ok ? std::move(*result) : absl::UnavailableError("no connection")); });
}

// Waits for whatever was sent before, as the fence's lock makes the real one do.
void Database::Reload(Connection* c, const core::OwnerProtocol::Reload& request, OnLoad done) {
  const int64_t wait_us = std::max<int64_t>(0, pending_until_ - world_.loop().now_us()) + 1;
  world_.loop().After(wait_us, [=, this] {
    auto result =
        std::make_shared<absl::StatusOr<core::LoadResult>>(absl::UnavailableError("no connection"));
    Call(
        c,
        [=, this] {
          *result = world_.store().Reload(request);
          ++world_.report().reloads;
        },
        [=](bool ok) { done(ok ? std::move(*result) : absl::UnavailableError("no connection")); });
  });
}

void Database::Call(Connection* c, std::function<void()> work, std::function<void(bool)> done) {
  if (!Reachable(c)) {
    world_.loop().After(kRefusalUs, [done] { done(false); });
    return;
  }
  const int64_t life = life_;
  world_.loop().After(Latency(), [=, this] {
    if (life != life_ || !Reachable(c)) {
      world_.loop().After(kRefusalUs, [done] { done(false); });
      return;
    }
    work();
    world_.loop().After(Latency(), [=, this] { done(life == life_ && Reachable(c)); });
  });
}

void Database::Crash(int64_t down_us) {
  ++life_;
  down_ = true;
  for (SchedulerState& row : rows) row.lock = nullptr;
  world_.loop().After(down_us, [this] { down_ = false; });
}

}  // namespace penstock::sim
