// An input at which every process ends that works on it, on a real PostgreSQL: what is durable at
// the moment of each death is enough for a later process to set it aside.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "scheduler/core/owner_protocol.h"
#include "scheduler/store/pg/pg_test_base.h"

// The thread sanitizer ends children of processes with threads when they start some of their own.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }

namespace penstock::pg {
namespace {

using core::OwnerProtocol;

// An owner of the domain that carries its requests out one after the other. Its process is killed
// when it is about to store a decision about `poison`.
class Life {
 public:
  Life(Database& database, DomainId domain, Epoch seen, const core::VersionMap& versions,
       RunId poison)
      : store_(database, domain), versions_(versions), poison_(poison), protocol_({domain, {}}, 1) {
    protocol_.WantOwnership();
    protocol_.Observe(seen, SchedulerId(), kSelf, now());
  }

  // Until nothing is left to do.
  const OwnerProtocol& Run() {
    while (auto request = protocol_.Next(now())) {
      us_ += 1000;
      std::visit([this](const auto& r) { Carry(r); }, *request);
    }
    return protocol_;
  }

 private:
  static constexpr SchedulerId kSelf{9};

  Now now() const { return {SteadyTime::FromMicros(us_), absl::FromUnixMicros(us_)}; }

  void Carry(const OwnerProtocol::TakeOver& r) {
    protocol_.OnLoaded(store_.TakeOver(kSelf, r), versions_, now());
  }
  void Carry(const OwnerProtocol::Reload& r) {
    protocol_.OnLoaded(store_.Reload(r), versions_, now());
  }
  void Carry(const OwnerProtocol::Flush& r) {
    for (const core::Decision& d : r.batch->decisions) {
      if (d.key.run == poison_) raise(SIGKILL);
    }
    protocol_.OnFlushed(store_.Flush(r.epoch, r.seq, *r.batch), now());
  }
  void Carry(const OwnerProtocol::TakeIds& r) {
    const auto block = store_.TakeIds(r.epoch, r.count);
    PENSTOCK_CHECK(block.ok(), "ids are there");
    protocol_.OnIds(std::pair(block->first, block->count), now());
  }
  void Carry(const OwnerProtocol::Release& r) {
    protocol_.OnReleased(store_.Release(r.epoch), now());
  }
  void Carry(const OwnerProtocol::Note& r) {
    protocol_.OnNoted(store_.Note(r.epoch, r.suspect), now());
  }

  PgDomainStore store_;
  const core::VersionMap& versions_;
  const RunId poison_;
  int64_t us_ = 1'000'000'000;
  OwnerProtocol protocol_;
};

class CarefulTest : public PgTest {
 protected:
  CarefulTest() : ns_(NewNamespace("team")), dag_(NewDag(ns_, "d")) {
    dag::TaskSpec task;
    task.id = "a";
    task.kind = dag::TaskKind::kNoop;
    dag::DagSpec spec;
    spec.tasks = {task};
    versions_[dag_.version] = std::make_shared<const dag::Topology>(std::move(spec));
  }

  // Running ones, one for each key.
  std::vector<RunId> StartRuns(const std::vector<std::string>& keys) {
    Owner owner(*database_, ns_.domain);
    core::FlushBatch batch;
    batch.dags.push_back({dag_, false});
    batch.made_progress = true;
    std::vector<RunId> ids;
    for (const std::string& key : keys) {
      core::RunRow run = owner.NewRun(dag_, key);
      run.state = core::RunState::kRunning;
      ids.push_back(run.id);
      batch.new_runs.push_back(std::move(run));
    }
    owner.MustFlush(batch);
    return ids;
  }
  Epoch SeenEpoch() const {
    return Epoch(SqlInt("select epoch from penstock.domain where id = " +
                        std::to_string(ns_.domain.value())));
  }
  // In a process of its own, with its own connections. True when it was killed.
  bool EndsAProcess(RunId poison) {
    const Epoch seen = SeenEpoch();
    const pid_t child = fork();
    if (child == 0) {
      const auto database = Open(TestOptions());
      Life(*database, ns_.domain, seen, versions_, poison).Run();
      _exit(0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << status;
    return WIFSIGNALED(status);
  }

  const store::NamespaceRecord ns_;
  const core::DagRow dag_;
  core::VersionMap versions_;
};

TEST_F(CarefulTest, ARunAtWhichEveryProcessEndsIsSetAsideAndExplained) {
  const std::vector<RunId> runs = StartRuns({"first", "poison", "third"});
  int deaths = 0;
  while (deaths < 10 && EndsAProcess(runs[1])) ++deaths;
  EXPECT_EQ(deaths, 3) << "an ordinary one and two careful ones";
  for (const RunId run : {runs[0], runs[2]}) {
    EXPECT_EQ(catalog_.GetRun(run)->row.state, core::RunState::kSuccess);
  }
  EXPECT_FALSE(EndsAProcess(runs[1])) << "it stays aside";

  Life last(*database_, ns_.domain, SeenEpoch(), versions_, runs[1]);
  const core::Explanation why = last.Run().domain()->Explain({runs[1], 0, -1});
  EXPECT_EQ(why.reason, core::Reason::kRunQuarantined);
  EXPECT_EQ(why.sentence,
            "the run is quarantined: two schedulers ended while they worked on this run");
}

}  // namespace
}  // namespace penstock::pg
