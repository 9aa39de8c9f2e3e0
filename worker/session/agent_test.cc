// The agent against scripted schedulers over real gRPC on loopback, with a fake runner.
#include "worker/session/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/dag/spec.h"
#include "worker/session/bundle.h"
#include "worker/session/fake_scheduler.h"

namespace penstock::worker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Heard = FakeScheduler::Heard;

constexpr int64_t kNoop = 1;
constexpr int64_t kShell = 2;

AttemptKey Key(int64_t run, uint32_t task = 0) { return {RunId(run), task, -1, 1}; }

std::string Canonical(std::string_view yaml) {
  const dag::ParseResult parsed = dag::ParseDag(yaml);
  EXPECT_TRUE(parsed.dag.has_value()) << yaml;
  return dag::CanonicalJson(*parsed.dag);
}

// Records orders; the test plays the processes.
class FakeRunner final : public Runner {
 public:
  void Launch(exec::LaunchSpec spec) override {
    MutexLock lock(&mu_);
    launches_.push_back(std::move(spec));
    changed_.SignalAll();
  }
  void Kill(const KillOrder& order) override {
    MutexLock lock(&mu_);
    kills_.push_back(order);
    changed_.SignalAll();
  }
  void ExtendLease(DomainId, SteadyTime deadline) override {
    MutexLock lock(&mu_);
    deadline_ = deadline;
    changed_.SignalAll();
  }
  void PauseOutput(const AttemptKey&, bool paused) override {
    MutexLock lock(&mu_);
    paused_ = paused;
    changed_.SignalAll();
  }
  void SetLastWords(const std::vector<SessionId>& sessions,
                    const std::vector<std::string>& schedulers) override {
    MutexLock lock(&mu_);
    sessions_ = sessions;
    schedulers_ = schedulers;
    changed_.SignalAll();
  }
  template <typename Holds>
  bool Await(const Holds& holds) {
    const SteadyTime give_up = RealClock().Steady() + absl::Seconds(10);
    MutexLock lock(&mu_);
    while (!holds(*this)) {
      if (RealClock().Steady() >= give_up) return false;
      changed_.WaitWithTimeout(&mu_, absl::Seconds(1));
    }
    return true;
  }
  bool AwaitLaunches(size_t n) {
    return Await([n](const FakeRunner& r) { return r.launches_.size() >= n; });
  }
  bool AwaitKills(size_t n) {
    return Await([n](const FakeRunner& r) { return r.kills_.size() >= n; });
  }

  Mutex mu_;
  CondVar changed_;
  std::vector<exec::LaunchSpec> launches_;
  std::vector<KillOrder> kills_;
  std::vector<SessionId> sessions_;
  std::vector<std::string> schedulers_;
  SteadyTime deadline_;
  bool paused_ = false;
};

class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    for (FakeScheduler* fake : {&a_, &b_}) {
      fake->AddVersion(kNoop, Canonical("dag: d\ntasks: {t: {noop: {on: worker}}}\n"));
      fake->AddVersion(kShell, Canonical("dag: d\n"
                                         "params: {who: {type: string, default: you}}\n"
                                         "tasks:\n"
                                         "  t: {sh: 'echo ${{ params.who }}', env: {A: b}}\n"
                                         "  u: {needs: t, sh: 'echo ${{ tasks.t.output.n }}'}\n"));
    }
  }
  ~AgentTest() override {
    if (agent_ != nullptr) agent_->Stop();
    EXPECT_THAT(a_.heard().violations, IsEmpty());
    EXPECT_THAT(b_.heard().violations, IsEmpty());
  }

  void Start(std::vector<std::string> schedulers, int slots = 4) {
    Agent::Options options;
    options.schedulers = std::move(schedulers);
    options.core.slots = slots;
    options.core.max_prefetch = 1000;
    options.introduction.slots = slots;
    options.introduction.name = "w";
    options.logs = logs_;
    agent_ = std::make_unique<Agent>(options, RealClock(), runner_, registry_);
    agent_->Start();
  }
  // Connected to `a_`, which owns domain 7 under epoch 1.
  void StartBound(int slots = 4) {
    a_.Own(7, 1);
    Start({a_.address()}, slots);
    ASSERT_TRUE(AwaitHellos(a_, 1));
  }
  static bool AwaitHellos(FakeScheduler& fake, size_t n) {
    return fake.Await([n](const Heard& h) { return h.domain_hellos.size() >= n; });
  }
  static bool AwaitResults(FakeScheduler& fake, size_t n) {
    return fake.Await([n](const Heard& h) { return h.results.size() >= n; });
  }
  void End(const AttemptKey& key, Outcome outcome = Outcome::kSuccess) {
    Report report;
    report.outcome = outcome;
    report.output_json = "{\"n\":1}";
    agent_->OnEnded(key, std::move(report));
  }

  FakeScheduler a_;
  FakeScheduler b_;
  FakeRunner runner_;
  obs::Registry registry_;
  LogBuffer::Options logs_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(AgentTest, IntroducesItselfAndGivesItsSlots) {
  StartBound();
  const Heard heard = a_.heard();
  ASSERT_THAT(heard.hellos, SizeIs(1));
  EXPECT_EQ(heard.hellos[0].name(), "w");
  EXPECT_GT(heard.hellos[0].session_id(), 0);
  EXPECT_EQ(heard.domain_hellos[0].domain(), 7);
  EXPECT_EQ(heard.domain_hellos[0].credits(), 4);
  EXPECT_TRUE(runner_.Await([](const FakeRunner& r) { return !r.sessions_.empty(); }));
  EXPECT_EQ(runner_.sessions_[0].value(), heard.hellos[0].session_id());
  EXPECT_THAT(runner_.schedulers_, ElementsAre(a_.address()));
}

TEST_F(AgentTest, CompletesANoopWithoutAProcess) {
  StartBound();
  for (int64_t run = 1; run <= 4; ++run) a_.Assign(7, 1, Key(run), kNoop);
  ASSERT_TRUE(AwaitResults(a_, 4));
  EXPECT_EQ(a_.heard().results[0].outcome(), v1::Result::OUTCOME_SUCCESS);
  EXPECT_TRUE(a_.Await([](const Heard& h) { return h.credits.at(7) >= 4; }));
  EXPECT_THAT(runner_.launches_, IsEmpty());
}

TEST_F(AgentTest, LaunchesWithExpressionsEvaluatedAndReportsTheEnd) {
  StartBound();
  v1::SchedulerMessage message;
  v1::Assignment* assignment = message.add_assignments();
  assignment->set_domain(7);
  assignment->set_epoch(1);
  ToProto(Key(5), assignment->mutable_attempt());
  assignment->set_version_id(kShell);
  assignment->set_try_number(2);
  assignment->set_params_json("{\"who\":\"me\"}");
  assignment->set_logical_date_us(1'700'000'000'000'000);
  a_.Send(message);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  const exec::LaunchSpec& spec = runner_.launches_[0];
  EXPECT_THAT(spec.argv, ElementsAre("/bin/sh", "-e", "-c", "echo me"));
  EXPECT_THAT(spec.env, ElementsAre(testing::Pair("A", "b")));
  EXPECT_EQ(spec.namespace_name, "team");
  EXPECT_EQ(spec.task, "t");
  EXPECT_EQ(spec.run_key, "run-5");
  EXPECT_EQ(spec.logical_date, "2023-11-14T22:13:20Z");
  EXPECT_EQ(spec.try_number, 2);
  EXPECT_GT(spec.lease_deadline, RealClock().Steady());
  agent_->OnStarted(Key(5), 77);
  End(Key(5));
  ASSERT_TRUE(AwaitResults(a_, 1));
  EXPECT_EQ(a_.heard().started[0].started_at_us(), 77);
  EXPECT_EQ(a_.heard().results[0].output_json(), "{\"n\":1}");
}

TEST_F(AgentTest, AnExpressionThatFailsIsNotRetried) {
  StartBound();
  a_.Assign(7, 1, Key(5, 1), kShell);
  ASSERT_TRUE(AwaitResults(a_, 1));
  const v1::Result result = a_.heard().results[0];
  EXPECT_EQ(result.outcome(), v1::Result::OUTCOME_FAILED_NO_RETRY);
  EXPECT_EQ(result.cause(), v1::CAUSE_EXPRESSION);
  EXPECT_THAT(result.error(), testing::StartsWith("sh: "));
}

TEST_F(AgentTest, AnUnknownVersionFailsTheAttemptWithItsReason) {
  StartBound();
  a_.Assign(7, 1, Key(5), 999);
  ASSERT_TRUE(AwaitResults(a_, 1));
  EXPECT_EQ(a_.heard().results[0].cause(), v1::CAUSE_SPAWN_FAILED);
  EXPECT_THAT(a_.heard().results[0].error(), testing::HasSubstr("version 999: no such version"));
}

TEST_F(AgentTest, FetchesTheFilesOfAVersion) {
  v1::Bundle bundle;
  bundle.add_files()->set_path("load.sh");
  bundle.mutable_files(0)->set_content("echo hello from a file");
  const std::string bytes = bundle.SerializeAsString();
  a_.AddBundle(Sha256Hex(bytes), bytes);
  a_.AddVersion(3, Canonical("dag: d\ntasks: {t: {sh: ./load.sh}}\n"), Sha256Hex(bytes));
  StartBound();
  a_.Assign(7, 1, Key(5), 3);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  ASSERT_NE(runner_.launches_[0].bundle, nullptr);
  EXPECT_GT(runner_.launches_[0].bundle->bytes(), 20u);
}

TEST_F(AgentTest, SaysUnacknowledgedResultsAgainAfterAReconnect) {
  a_.AcknowledgeResults(false);
  StartBound();
  a_.Assign(7, 1, Key(5), kShell);
  a_.Assign(7, 1, Key(6), kShell);
  ASSERT_TRUE(runner_.AwaitLaunches(2));
  End(Key(5));
  ASSERT_TRUE(AwaitResults(a_, 1));
  a_.BreakStreams();
  ASSERT_TRUE(AwaitHellos(a_, 2));
  const v1::DomainHello hello = a_.heard().domain_hellos[1];
  ASSERT_EQ(hello.unacknowledged_size(), 1);
  EXPECT_EQ(FromProto(hello.unacknowledged(0).attempt()), Key(5));
  ASSERT_EQ(hello.running_size(), 1);
  EXPECT_EQ(FromProto(hello.running(0)), Key(6));
  EXPECT_THAT(runner_.kills_, IsEmpty());
}

TEST_F(AgentTest, SurvivesTheDeathOfTheOwner) {
  a_.AcknowledgeResults(false);
  a_.Own(7, 1);
  Start({a_.address(), b_.address()});
  ASSERT_TRUE(AwaitHellos(a_, 1));
  ASSERT_TRUE(b_.Await([](const Heard& h) { return h.streams == 1; }));
  a_.Assign(7, 1, Key(5), kShell);
  a_.Assign(7, 1, Key(6), kNoop);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  ASSERT_TRUE(AwaitResults(a_, 1));
  a_.Stop();
  b_.Own(7, 2);
  ASSERT_TRUE(AwaitHellos(b_, 1));
  const v1::DomainHello hello = b_.heard().domain_hellos[0];
  EXPECT_EQ(hello.epoch(), 2);
  EXPECT_EQ(hello.running_size(), 1);
  EXPECT_EQ(hello.unacknowledged_size(), 1);
  End(Key(5));
  ASSERT_TRUE(AwaitResults(b_, 2));
  EXPECT_EQ(b_.heard().results[1].epoch(), 2);
}

TEST_F(AgentTest, IgnoresTheDeposedOwner) {
  a_.Own(7, 1);
  Start({a_.address(), b_.address()});
  ASSERT_TRUE(AwaitHellos(a_, 1));
  ASSERT_TRUE(b_.Await([](const Heard& h) { return h.streams == 1; }));
  b_.Own(7, 2);
  ASSERT_TRUE(AwaitHellos(b_, 1));
  a_.Assign(7, 1, Key(5), kNoop);
  b_.Assign(7, 2, Key(6), kNoop);
  ASSERT_TRUE(AwaitResults(b_, 1));
  EXPECT_EQ(FromProto(b_.heard().results[0].attempt()), Key(6));
  EXPECT_THAT(a_.heard().results, IsEmpty());
}

TEST_F(AgentTest, RevokesWhatRunsAndWhatWaits) {
  StartBound(1);
  a_.Assign(7, 1, Key(5), kShell);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  v1::SchedulerMessage message;
  for (const AttemptKey& key : {Key(5), Key(6)}) {
    v1::Revoke* revoke = message.add_revokes();
    revoke->set_domain(7);
    revoke->set_epoch(1);
    ToProto(key, revoke->mutable_attempt());
    revoke->set_cause(v1::CAUSE_CANCELLED);
  }
  a_.Send(message);
  ASSERT_TRUE(runner_.AwaitKills(1));
  EXPECT_EQ(runner_.kills_[0].key, Key(5));
  EXPECT_TRUE(a_.Await([](const Heard& h) { return h.hand_backs.size() == 1; }));
  End(Key(5), Outcome::kFailed);
  ASSERT_TRUE(AwaitResults(a_, 1));
  EXPECT_EQ(a_.heard().results[0].cause(), v1::CAUSE_CANCELLED);
}

TEST_F(AgentTest, RenewsItsLease) {
  a_.SetTerm(1000);
  StartBound();
  a_.Assign(7, 1, Key(5), kShell);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  const SteadyTime first = runner_.launches_[0].lease_deadline;
  EXPECT_TRUE(runner_.Await(
      [&](const FakeRunner& r) { return r.deadline_ > first + absl::Milliseconds(500); }));
  EXPECT_THAT(runner_.kills_, IsEmpty());
}

TEST_F(AgentTest, ItsTimerSleepsWhileNothingHappens) {
  a_.SetTerm(1000);
  StartBound();
  a_.Assign(7, 1, Key(5), kShell);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  EXPECT_TRUE(a_.Await([](const Heard& h) { return h.renewals >= 4; }));
  EXPECT_LT(agent_->Look().ticks, 100);
}

TEST_F(AgentTest, KillsAtTheEndOfALeaseThatIsNotConfirmed) {
  a_.SetTerm(1000);
  a_.ConfirmRenewals(false);
  StartBound();
  a_.Assign(7, 1, Key(5), kShell);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  ASSERT_TRUE(runner_.AwaitKills(1));
  EXPECT_GE(RealClock().Steady(), runner_.launches_[0].lease_deadline);
  EXPECT_EQ(runner_.kills_[0].cause, Cause::kLeaseLost);
  End(Key(5), Outcome::kFailed);
  ASSERT_TRUE(AwaitResults(a_, 1));
  EXPECT_EQ(a_.heard().results[0].cause(), v1::CAUSE_LEASE_LOST);
}

TEST_F(AgentTest, GoesOnUnderANewSessionWhenTheOldOneIsLost) {
  StartBound();
  a_.Assign(7, 1, Key(5), kShell);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  v1::SchedulerMessage message;
  v1::DomainEnd* end = message.add_ended();
  end->set_domain(7);
  end->set_epoch(1);
  end->set_reason(v1::DomainEnd::REASON_SESSION_LOST);
  a_.Send(message);
  ASSERT_TRUE(runner_.AwaitKills(1));
  End(Key(5), Outcome::kFailed);
  ASSERT_TRUE(AwaitHellos(a_, 2));
  const Heard heard = a_.heard();
  EXPECT_NE(heard.hellos.back().session_id(), heard.hellos.front().session_id());
  EXPECT_EQ(heard.domain_hellos[1].running_size(), 0);
  EXPECT_EQ(heard.domain_hellos[1].credits(), 4);
  EXPECT_THAT(heard.results, IsEmpty());
  EXPECT_TRUE(runner_.Await([&](const FakeRunner& r) {
    return r.sessions_.size() == 1 && r.sessions_[0].value() == heard.hellos.back().session_id();
  }));
}

TEST_F(AgentTest, ALaterIncarnationEndsTheSession) {
  StartBound();
  a_.Assign(7, 1, Key(5), kShell);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  a_.SetIncarnation(2);
  a_.BreakStreams();
  ASSERT_TRUE(runner_.AwaitKills(1));
  End(Key(5), Outcome::kFailed);
  ASSERT_TRUE(AwaitHellos(a_, 2));
  EXPECT_NE(a_.heard().hellos.back().session_id(), a_.heard().hellos.front().session_id());
  EXPECT_EQ(a_.heard().hellos.back().incarnation(), 0);
}

TEST_F(AgentTest, ASecondDomainMakesItSayThatItIsShared) {
  StartBound();
  EXPECT_FALSE(a_.heard().domain_hellos[0].shared());
  a_.Own(8, 1);
  EXPECT_TRUE(a_.Await([](const Heard& h) {
    std::set<int32_t> shared;
    for (const v1::DomainHello& hello : h.domain_hellos) {
      if (hello.shared()) shared.insert(hello.domain());
    }
    return shared == std::set<int32_t>{7, 8};
  }));
  const Heard heard = a_.heard();
  EXPECT_EQ(heard.hellos.back().session_id(), heard.hellos.front().session_id());
}

TEST_F(AgentTest, FollowsTheFleet) {
  a_.Own(7, 1);
  Start({a_.address()});
  ASSERT_TRUE(AwaitHellos(a_, 1));
  v1::SchedulerMessage message;
  message.add_schedulers(a_.address());
  message.add_schedulers(b_.address());
  message.add_schedulers("192.0.2.1:7070");
  a_.Send(message);
  EXPECT_TRUE(b_.Await([](const Heard& h) { return h.streams == 1; }));
  message.Clear();
  message.add_schedulers(b_.address());
  b_.Send(message);
  a_.Stop();
  EXPECT_TRUE(runner_.Await([&](const FakeRunner& r) {
    return r.schedulers_ == std::vector<std::string>{b_.address()};
  }));
}

TEST_F(AgentTest, KeepsASchedulerThatAnswersWhateverTheOthersSay) {
  a_.Own(7, 1);
  Start({a_.address(), b_.address()});
  ASSERT_TRUE(AwaitHellos(a_, 1));
  ASSERT_TRUE(b_.Await([](const Heard& h) { return h.streams == 1; }));
  v1::SchedulerMessage message;
  message.add_schedulers(b_.address());
  b_.Send(message);
  v1::SchedulerMessage drain;
  drain.set_drain(true);
  b_.Send(drain);
  ASSERT_TRUE(a_.Await([](const Heard& h) { return h.draining; }));
  EXPECT_EQ(a_.heard().streams, 1);
}

TEST_F(AgentTest, DrainsBeforeItEnds) {
  StartBound();
  a_.Assign(7, 1, Key(5), kShell);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  agent_->Drain(absl::Seconds(60));
  ASSERT_TRUE(a_.Await([](const Heard& h) { return h.draining; }));
  EXPECT_FALSE(agent_->WaitDrained(absl::ZeroDuration()));
  a_.Assign(7, 1, Key(6), kShell);
  ASSERT_TRUE(a_.Await([](const Heard& h) { return h.hand_backs.size() == 1; }));
  End(Key(5));
  EXPECT_TRUE(agent_->WaitDrained(absl::Seconds(10)));
  EXPECT_THAT(a_.heard().results, SizeIs(1));
}

TEST_F(AgentTest, ShipsOutputAndSendsAgainWhatWasNotStored) {
  StartBound();
  a_.StoreLogs(false);
  agent_->OnOutput(Key(5), {exec::LogStream::kStdout, 1, "one", false, false});
  ASSERT_TRUE(a_.Await([](const Heard& h) { return h.logs.size() == 1; }));
  EXPECT_FALSE(agent_->WaitLogs(absl::ZeroDuration()));
  a_.StoreLogs(true);
  agent_->OnOutput(Key(5), {exec::LogStream::kStderr, 2, "two", false, true});
  ASSERT_TRUE(a_.Await([](const Heard& h) { return h.logs.size() == 2; }));
  const Heard heard = a_.heard();
  EXPECT_EQ(heard.logs[1].offset(), 3);
  EXPECT_EQ(heard.logs[1].stream(), v1::LOG_STREAM_STDERR);
  EXPECT_TRUE(heard.logs[1].end());
  EXPECT_TRUE(agent_->WaitLogs(absl::Seconds(10)));
}

TEST_F(AgentTest, PausesAFloodUntilTheStoreFollows) {
  logs_.max_bytes_per_attempt = 1000;
  StartBound();
  a_.StoreLogs(false);
  agent_->OnOutput(Key(5), {exec::LogStream::kStdout, 1, std::string(2000, 'x'), false, false});
  EXPECT_TRUE(runner_.Await([](const FakeRunner& r) { return r.paused_; }));
  ASSERT_TRUE(a_.Await([](const Heard& h) { return h.logs.size() == 1; }));
  a_.StoreLogs(true);
  agent_->OnOutput(Key(5), {exec::LogStream::kStdout, 1, "y", false, false});
  EXPECT_TRUE(runner_.Await([](const FakeRunner& r) { return !r.paused_; }));
}

TEST_F(AgentTest, ReportsADeathToAllSchedulers) {
  EXPECT_EQ(ReportSessionDeath(SessionId(77), {a_.address(), b_.address()}, absl::Seconds(10)), 2);
  EXPECT_THAT(a_.heard().deaths, ElementsAre(77));
  EXPECT_THAT(b_.heard().deaths, ElementsAre(77));
}

TEST_F(AgentTest, FillsInItsMetrics) {
  StartBound();
  a_.Assign(7, 1, Key(5), kNoop);
  ASSERT_TRUE(AwaitResults(a_, 1));
  const std::string text = registry_.Render();
  EXPECT_THAT(text, testing::HasSubstr("penstock_worker_slots 4\n"));
  EXPECT_THAT(text, testing::HasSubstr("penstock_worker_control_streams 1\n"));
  EXPECT_THAT(text, testing::HasSubstr("penstock_worker_domains_bound 1\n"));
}

// Its report is all that is heard of it.
TEST_F(AgentTest, MeasuresTheStartOfAShortAttemptToo) {
  StartBound();
  a_.Assign(7, 1, Key(5), kShell);
  ASSERT_TRUE(runner_.AwaitLaunches(1));
  Report report;
  report.outcome = Outcome::kSuccess;
  report.started_at_us = report.finished_at_us = absl::ToUnixMicros(RealClock().Wall());
  agent_->OnEnded(Key(5), report);
  ASSERT_TRUE(a_.Await([](const Heard& h) { return h.results.size() == 1; }));
  EXPECT_THAT(registry_.Render(), testing::HasSubstr("penstock_worker_start_seconds_count 1\n"));
}

}  // namespace
}  // namespace penstock::worker
