#pragma once
// Runs attempts under the guardian: starts them, carries their output, and tells how they ended.
//
// One thread, the one in Run(), does it all with one epoll set: no thread per attempt. It does
// nothing that can take long: directories are made, filled and removed by the runners.
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/process/unique_fd.h"
#include "worker/core/effects.h"
#include "worker/exec/attempt_output.h"
#include "worker/exec/environment.h"
#include "worker/exec/launch_spec.h"
#include "worker/exec/verdict.h"
#include "worker/guard/guardian_client.h"
#include "worker/guard/packet.h"

namespace penstock::worker::exec {

// Launch, Kill, ExtendLease, PauseOutput, SetLastWords and Stop are thread-safe, never block, and
// take effect in the order of the calls. Destroying the engine kills every attempt.
class Engine {
 public:
  struct Options {
    guard::GuardianClient::Options guardian;
    EnvironmentOptions environment;                // `life` is filled in
    int max_concurrent = 64;                       // further launches wait for their turn
    absl::Duration kill_grace = absl::Seconds(5);  // between SIGTERM and SIGKILL
    size_t max_output_bytes = size_t{64} << 10;    // of $PENSTOCK_OUTPUT
    int64_t max_log_bytes = int64_t{16} << 20;     // kept of an attempt's output
  };

  // Starts the guardian: call it before the process has other children or much memory. Raises the
  // process' limit of open files as far as allowed. `clock` and `listener` are borrowed.
  static absl::StatusOr<std::unique_ptr<Engine>> Start(const Options& options, const Clock& clock,
                                                       AttemptListener& listener);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Works until Stop() (OK), or until the guardian dies (UNAVAILABLE): then every attempt is killed
  // and reported as kWorkerLost, and the process should end.
  absl::Status Run();
  // Attempts still running are killed when the engine is destroyed; nobody is told.
  void Stop();

  // A key that is launched already is ignored.
  void Launch(LaunchSpec spec);
  // The first cause stays. An attempt that had not started ends at once with `cause` and without a
  // start time. Unknown keys are ignored.
  void Kill(const KillOrder& order);
  // For all attempts of the domain. Later deadlines only.
  void ExtendLease(DomainId domain, SteadyTime deadline);
  // While paused nothing is read from the attempt, which waits once its pipes are full. What they
  // hold at its end is told all the same.
  void PauseOutput(const AttemptKey& key, bool paused);
  // What the guardian executes when this process died and all attempts are dead.
  void SetLastWords(std::vector<std::string> argv);

  // Whether memory limits are enforced here and kOutOfMemory can be told.
  bool has_memory_cgroups() const { return guardian_->has_memory_cgroups(); }
  const guard::GuardianClient& guardian() const { return *guardian_; }

 private:
  struct Extension {
    DomainId domain;
    SteadyTime deadline;
  };
  struct Pause {
    AttemptKey key;
    bool paused;
  };
  struct LastWords {
    std::vector<std::string> argv;
  };
  using Command = std::variant<LaunchSpec, KillOrder, Extension, Pause, LastWords>;

  // An attempt in the hands of a runner.
  struct Running {
    AttemptKey key;
    DomainId domain;
    AttemptFacts facts;
    uint64_t sequence = 0;
    bool started = false;
    bool kill_sent = false;
    bool paused = false;
    std::unique_ptr<AttemptOutput> output;
  };
  // One runner. Its index in slots_ is its id. Without a socket it is vacant or dying.
  struct Slot {
    process::UniqueFd socket;
    std::unique_ptr<Running> running;
  };

  Engine(const Options& options, const Clock& clock, AttemptListener& listener,
         std::unique_ptr<guard::GuardianClient> guardian);

  void Post(Command command) ABSL_LOCKS_EXCLUDED(mu_);
  void Wake();
  bool RunCommands() ABSL_LOCKS_EXCLUDED(mu_);
  void Do(LaunchSpec spec);
  void Do(const KillOrder& order);
  void Do(const Extension& extension);
  void Do(const Pause& pause);
  void Do(const LastWords& last_words);
  bool KillQueued(const KillOrder& order);

  // engine_start.cc
  void StartQueued();
  bool HasRoom() const;
  void StartAttempt(LaunchSpec spec);
  absl::Status TryStart(const LaunchSpec& spec);
  absl::Status SendToRunner(const LaunchSpec& spec, std::unique_ptr<Running> running,
                            const AttemptOutput::Writers& writers);
  absl::StatusOr<uint32_t> TakeSlot();
  absl::StatusOr<uint32_t> NewSlot();
  absl::Status Watch(int fd, uint64_t tag);
  void WatchOutput(uint32_t slot);

  // engine_events.cc
  absl::Status HandleEvents();
  absl::Status HandleGuardian();
  void HandleRunner(uint32_t slot);
  void HandlePacket(uint32_t slot, guard::Packet packet);
  void HandleOutput(uint32_t slot, LogStream stream);
  void RunnerGone(uint32_t slot);
  void Started(uint32_t slot, const guard::Started& message);
  void Ended(uint32_t slot, const guard::Ended& message, const guard::Packet& packet);
  void Finish(uint32_t slot, Report report);
  void AwaitRunners();
  void FinishAll(std::string_view why);
  absl::StatusOr<std::string> ReadOutput(const guard::Ended& ended, int fd) const;
  int64_t WallMicros() const;
  int64_t WallMicrosAt(int64_t boot_us) const;

  const Options options_;
  const EnvironmentOptions environment_;
  const Clock& clock_;
  AttemptListener& listener_;
  const std::unique_ptr<guard::GuardianClient> guardian_;
  const process::UniqueFd epoll_;
  const process::UniqueFd wake_;

  // Of the thread in Run().
  std::vector<Slot> slots_;
  std::deque<uint32_t> idle_;     // slots; those that died since have no socket
  std::vector<uint32_t> vacant_;  // slots without a runner
  int busy_ = 0;
  std::deque<LaunchSpec> queued_;
  absl::flat_hash_map<AttemptKey, uint32_t> slot_by_key_;
  uint64_t next_sequence_ = 1;

  Mutex mu_;
  std::vector<Command> inbox_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace penstock::worker::exec
