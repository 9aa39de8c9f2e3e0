#pragma once
// An engine with a real guardian for tests, and what its attempts did.
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/service/thread.h"
#include "common/testing/temp_dir.h"
#include "worker/exec/engine.h"

namespace penstock::worker::exec {

// Long enough for a loaded machine; nothing waits this long unless it is broken.
inline constexpr absl::Duration kPatience = absl::Seconds(60);

// Looks again and again until `condition` holds. False: it did not within `patience`.
inline bool Eventually(const std::function<bool()>& condition,
                       absl::Duration patience = kPatience) {
  const SteadyTime deadline = RealClock().Steady() + patience;
  while (!condition()) {
    if (RealClock().Steady() >= deadline) return false;
    usleep(2000);
  }
  return true;
}

// Shell: waits for a file `go` in the working directory.
inline constexpr char kAwaitGo[] = "while [ ! -e go ]; do sleep 0.01; done";

// The guardian that was built with this test.
inline std::string GuardianProgram() {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  return (self.parent_path().parent_path() / "bin" / "penstock-guardian").string();
}

// Keeps all that it is told. Thread-safe.
class Recorder : public AttemptListener {
 public:
  struct Seen {
    int starts = 0;
    std::map<LogStream, std::string> text;
    bool truncated = false;
    int ends = 0;  // of the log
    std::vector<Report> reports;
  };

  void OnStarted(const AttemptKey& key, int64_t) override {
    MutexLock lock(&mu_);
    ++seen_[key].starts;
  }
  void OnLog(const AttemptKey& key, LogPiece piece) override {
    MutexLock lock(&mu_);
    Seen& seen = seen_[key];
    seen.text[piece.stream] += piece.bytes;
    seen.truncated |= piece.truncated;
    seen.ends += piece.end ? 1 : 0;
  }
  void OnFinished(const AttemptKey& key, Report report) override {
    MutexLock lock(&mu_);
    seen_[key].reports.push_back(std::move(report));
    ++finished_;
  }

  Seen Get(const AttemptKey& key) const {
    MutexLock lock(&mu_);
    const auto it = seen_.find(key);
    return it == seen_.end() ? Seen() : it->second;
  }
  int finished() const {
    MutexLock lock(&mu_);
    return finished_;
  }

 private:
  mutable Mutex mu_;
  std::map<AttemptKey, Seen> seen_ ABSL_GUARDED_BY(mu_);
  int finished_ ABSL_GUARDED_BY(mu_) = 0;
};

// An engine in a temporary directory, and its thread.
class EngineHarness {
 public:
  EngineHarness() {
    options_.guardian.root = dir_.path() / "work";
    options_.guardian.program = GuardianProgram();
    options_.guardian.use_cgroups = false;
  }
  ~EngineHarness() { Stop(); }
  EngineHarness(const EngineHarness&) = delete;
  EngineHarness& operator=(const EngineHarness&) = delete;

  // Called by the first Launch; after changes to options_.
  void StartEngine() {
    auto engine = Engine::Start(options_, RealClock(), recorder_);
    PENSTOCK_CHECK(engine.ok(), engine.status().ToString().c_str());
    engine_ = *std::move(engine);
    thread_.emplace("exec", [this] { run_status_ = engine_->Run(); });
  }
  void Stop() {
    if (engine_ == nullptr) return;
    engine_->Stop();
    thread_.reset();
    engine_.reset();
  }

  LaunchSpec Program(std::vector<std::string> argv) {
    LaunchSpec spec;
    spec.key = {RunId(1), static_cast<uint32_t>(next_task_++), -1, 1};
    spec.domain = DomainId(1);
    spec.lease_deadline = RealClock().Steady() + absl::Hours(1);
    spec.argv = std::move(argv);
    spec.namespace_name = "default";
    spec.dag = "test";
    spec.task = "task";
    spec.run_key = "run-1";
    return spec;
  }
  LaunchSpec Shell(std::string text) { return Program({"/bin/sh", "-e", "-c", std::move(text)}); }

  AttemptKey Launch(LaunchSpec spec) {
    if (engine_ == nullptr) StartEngine();
    const AttemptKey key = spec.key;
    engine_->Launch(std::move(spec));
    return key;
  }
  // A report whose error is "no report" when none comes.
  Report WaitFor(const AttemptKey& key) const {
    if (Eventually([&] { return !recorder_.Get(key).reports.empty(); })) {
      return recorder_.Get(key).reports[0];
    }
    Report none;
    none.error = "no report";
    return none;
  }
  Report RunToEnd(LaunchSpec spec) { return WaitFor(Launch(std::move(spec))); }
  Report RunShell(std::string text) { return RunToEnd(Shell(std::move(text))); }
  // Waits until the attempt wrote this to its standard output.
  bool WaitForText(const AttemptKey& key, const std::string& text) const {
    return Eventually([&] {
      return recorder_.Get(key).text[LogStream::kStdout].find(text) != std::string::npos;
    });
  }

  testing::TempDir dir_{"exec"};
  Engine::Options options_;
  Recorder recorder_;
  std::unique_ptr<Engine> engine_;
  std::optional<service::Thread> thread_;
  absl::Status run_status_;
  int next_task_ = 0;
};

}  // namespace penstock::worker::exec
