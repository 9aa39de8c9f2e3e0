// A worker reduced to its engine, for tests that kill or stop the whole process:
//   worker_probe ROOT GUARDIAN LEASE_MS LAST_WORDS COMMAND
// Runs COMMAND as one attempt, extends its lease as a worker does, and exits with its cause.
// Its session is 77. LAST_WORDS is a file that the guardian creates if this process dies unasked.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/service/event.h"
#include "common/service/thread.h"
#include "worker/exec/engine.h"

namespace penstock::worker::exec {
namespace {

class Probe : public AttemptListener {
 public:
  void OnStarted(const AttemptKey&, int64_t) override {}
  void OnLog(const AttemptKey&, LogPiece) override {}
  void OnFinished(const AttemptKey&, Report report) override {
    cause_ = report.cause;
    finished_.Set();
  }

  int Run(char** argv) {
    Engine::Options options;
    options.guardian.root = argv[1];
    options.guardian.program = argv[2];
    options.guardian.use_cgroups = false;
    auto engine = Engine::Start(options, RealClock(), *this);
    if (!engine.ok()) {
      std::fprintf(stderr, "%s\n", std::string(Message(engine.status())).c_str());
      return 100;
    }
    const absl::Duration lease = absl::Milliseconds(std::strtol(argv[3], nullptr, 10));
    service::Thread thread("exec", [&] { (void)(*engine)->Run(); });
    (*engine)->SetLastWords({"/usr/bin/touch", argv[4]});
    (*engine)->guardian().LeaveSessions({SessionId(77)});
    Launch(**engine, lease, argv[5]);
    while (!finished_.WaitFor(lease / 10)) {
      (*engine)->ExtendLease(DomainId(1), RealClock().Steady() + lease);
    }
    (*engine)->Stop();
    thread.Join();
    return static_cast<int>(cause_);
  }

 private:
  static void Launch(Engine& engine, absl::Duration lease, const char* command) {
    LaunchSpec spec;
    spec.key = {RunId(1), 0, -1, 1};
    spec.domain = DomainId(1);
    spec.lease_deadline = RealClock().Steady() + lease;
    spec.argv = {"/bin/sh", "-c", command};
    engine.Launch(std::move(spec));
  }

  service::Event finished_;
  Cause cause_ = Cause::kNone;
};

}  // namespace
}  // namespace penstock::worker::exec

int main(int argc, char** argv) {
  if (argc != 6) return 101;
  return penstock::worker::exec::Probe().Run(argv);
}
