#pragma once
// The worker's side of the protocol: drives WorkerCore with what comes from schedulers, from the
// runner and from the clock, and does what it asks for. One control stream per scheduler (and
// session), opened again whenever it ends.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/rpc/channel.h"
#include "common/rpc/stream.h"
#include "common/service/event.h"
#include "common/service/executor.h"
#include "common/service/loop_thread.h"
#include "penstock/v1/worker.pb.h"
#include "worker/core/worker_core.h"
#include "worker/session/address_book.h"
#include "worker/session/agent_metrics.h"
#include "worker/session/convert.h"
#include "worker/session/log_shipper.h"
#include "worker/session/runner.h"
#include "worker/session/scheduler_calls.h"
#include "worker/session/version_library.h"

namespace penstock::worker {

// Thread-safe. Inputs are applied to the core under a lock; what it asks for is done by one thread
// at a time, outside the lock and in order, while others only add to it: so whatever gathers
// becomes one message, without a timer.
class Agent {
 public:
  struct Options {
    Introduction introduction;
    std::vector<std::string> schedulers;  // addresses to begin with; at least one
    WorkerCore::Options core;             // the session's id and the seed are set by the agent
    LogBuffer::Options logs;
    VersionLibrary::Options versions;
    absl::Duration reconnect_initial = absl::Milliseconds(50);
    absl::Duration reconnect_max = absl::Seconds(2);
    absl::Duration welcome_timeout = absl::Seconds(3);
    absl::Duration term = absl::Seconds(15);  // of the session's lease, until a scheduler tells it
    // Another process uses this session's id. The process should end.
    std::function<void()> on_duplicate_session;
  };
  struct View {
    WorkerCore::Snapshot core;
    int streams = 0;  // welcomed control streams
    bool draining = false;
    bool drained = false;
    SteadyTime last_tick;  // when the timer's thread made its latest pass
    int64_t ticks = 0;     // how many it has made
  };
  // What is to be said for this process once it has ended.
  struct Farewell {
    std::vector<SessionId> sessions;
    std::vector<std::string> schedulers;
  };

  // `clock`, `runner` and `registry` are borrowed. The registry must not render once this has gone.
  Agent(Options options, const Clock& clock, Runner& runner, obs::Registry& registry);
  ~Agent();  // Stop()
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void Start();
  // Takes nothing new; what still runs after `grace` is killed.
  void Drain(absl::Duration grace) ABSL_LOCKS_EXCLUDED(mu_);
  // Until nothing runs and all results are acknowledged. False when `timeout` passed first.
  bool WaitDrained(absl::Duration timeout) const;
  // Until all output is stored. False when `timeout` passed first.
  bool WaitLogs(absl::Duration timeout) const;
  // Ends all streams and threads. May come twice.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // ---- From the runner ----
  void OnStarted(const AttemptKey& key, int64_t started_at_us) ABSL_LOCKS_EXCLUDED(mu_);
  void OnOutput(const AttemptKey& key, exec::LogPiece piece);
  // The attempt is over, and nothing of it runs any more. Its output has been given before.
  void OnEnded(const AttemptKey& key, Report report) ABSL_LOCKS_EXCLUDED(mu_);

  View Look() const ABSL_LOCKS_EXCLUDED(mu_);
  Farewell farewell() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Handler;
  using Out = rpc::Stream<v1::WorkerMessage>;
  enum class LinkState : uint8_t { kWaiting, kOpening, kWelcomed };
  // The control stream to one scheduler under one session, and its successors.
  struct Link {
    SessionId session;
    std::string address;
    LinkState state = LinkState::kWaiting;
    StreamId id;                  // of the latest stream
    std::shared_ptr<Out> stream;  // gRPC's side holds it too; null while waiting
    Backoff backoff;
    SteadyTime due;         // kWaiting: to open; kOpening: to give up
    bool unwanted = false;  // goes when its stream has ended
  };
  // What is kept of an accepted attempt until it is launched.
  struct Payload {
    VersionId version;
    std::shared_ptr<const LoadedVersion> loaded;  // null while loading
    RunFacts facts;
  };
  // Effects in the form in which they can be carried out without the lock.
  struct Work {
    Effects fx;
    std::vector<std::pair<std::shared_ptr<Out>, Outgoing>> out;
    std::vector<std::shared_ptr<Out>> to_cancel;
    std::vector<std::pair<Launch, Payload>> launches;
    std::vector<VersionId> loads;
    bool last_words = false;  // the two below have changed
    std::vector<SessionId> sessions;
    std::vector<std::string> schedulers;
  };

  // agent.cc: the turn of the core
  void Turn(const Now& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // For all threads but the timer's own, which would wake itself without end.
  void TurnAndWake(const Now& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Act() ABSL_LOCKS_EXCLUDED(mu_);
  bool TakeWork(Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Carry(Work work) ABSL_LOCKS_EXCLUDED(mu_);
  void LaunchOne(const Launch& launch, Payload payload) ABSL_LOCKS_EXCLUDED(mu_);
  void OnVersion(VersionId id, const absl::StatusOr<LoadedVersion>& loaded)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Prepare(const AttemptKey& key, const absl::StatusOr<LoadedVersion>& loaded, const Now& now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Fail(const AttemptKey& key, Outcome outcome, Cause cause, std::string_view error,
            const Now& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RefreshMetrics() ABSL_LOCKS_EXCLUDED(mu_);
  void RunTimer(service::StopToken token);
  absl::Duration OneTick() ABSL_LOCKS_EXCLUDED(mu_);

  // agent_inbox.cc: what schedulers say
  void OnMessage(StreamId id, v1::SchedulerMessage message) ABSL_LOCKS_EXCLUDED(mu_);
  void Read(Link& link, v1::SchedulerMessage& message, const Now& now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReadWelcome(Link& link, const v1::Welcome& welcome, const Now& now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReadAssignment(StreamId id, v1::Assignment& wire, const Now& now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReadRest(StreamId id, const v1::SchedulerMessage& message, const Now& now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // agent_links.cc: streams and whom to open them to
  void SetFleet(const v1::SchedulerMessage& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Reconcile(SteadyTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UpdateBook() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Link* FindLink(StreamId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<std::string> Targets(SteadyTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  SteadyTime TendLinks(SteadyTime now) ABSL_LOCKS_EXCLUDED(mu_);
  void Open(StreamId id, const std::string& address) ABSL_LOCKS_EXCLUDED(mu_);
  void Introduce(StreamId id, const std::shared_ptr<Out>& stream) ABSL_LOCKS_EXCLUDED(mu_);
  void OnClosed(StreamId id, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  const Clock& clock_;
  Runner& runner_;
  AgentMetrics metrics_;
  AddressBook book_;
  rpc::ChannelCache channels_{{}};  // a stream must not hold the last reference to its channel
  SchedulerCalls calls_;
  service::Executor loader_;
  VersionLibrary library_;
  LogShipper shipper_;
  service::Event drained_;
  service::Event logs_stopped_;  // never set; for waiting
  service::LoopThread timer_;

  mutable Mutex mu_;
  CondVar links_ended_;
  WorkerCore core_ ABSL_GUARDED_BY(mu_);
  Effects effects_ ABSL_GUARDED_BY(mu_);  // not yet carried out
  bool acting_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::pair<SessionId, std::string>, Link> links_ ABSL_GUARDED_BY(mu_);
  int open_streams_ ABSL_GUARDED_BY(mu_) = 0;  // with a handler that has not heard its end
  int64_t last_stream_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::shared_ptr<Out>> to_cancel_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> fleet_ ABSL_GUARDED_BY(mu_);  // as told; empty = not yet
  SteadyTime connected_at_ ABSL_GUARDED_BY(mu_);  // when a stream was last known to be welcome
  bool last_words_changed_ ABSL_GUARDED_BY(mu_) = true;
  absl::flat_hash_map<AttemptKey, Payload> payloads_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<AttemptKey, SteadyTime> starting_ ABSL_GUARDED_BY(mu_);  // since when
  absl::flat_hash_map<VersionId, std::vector<AttemptKey>> loading_ ABSL_GUARDED_BY(mu_);
  std::vector<VersionId> loads_ ABSL_GUARDED_BY(mu_);  // to be begun
  absl::Duration term_ ABSL_GUARDED_BY(mu_);
  SteadyTime renew_at_ ABSL_GUARDED_BY(mu_);
  SteadyTime last_tick_ ABSL_GUARDED_BY(mu_);
  int64_t ticks_ ABSL_GUARDED_BY(mu_) = 0;
  SteadyTime timer_due_ ABSL_GUARDED_BY(mu_);  // when the timer's thread wakes up by itself
};

}  // namespace penstock::worker
