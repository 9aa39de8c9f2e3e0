// What the owner protocol does with answers that do not come as hoped. Its ordinary life is told by
// the runner's tests and the simulator.
#include "scheduler/core/owner_protocol.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace penstock::core {
namespace {

constexpr SchedulerId kSelf(1);
constexpr SchedulerId kOther(2);
constexpr SessionId kWorker(7);
constexpr FlushSeq kLoaded(30);

class OwnerProtocolTest : public testing::Test {
 protected:
  explicit OwnerProtocolTest(const DomainOptions& options = {})
      : protocol_({DomainId(1), options}, /*seed=*/1) {}

  Now now() const { return {SteadyTime::FromMicros(us_), absl::UnixEpoch()}; }
  template <typename Request>
  bool Asks() {
    const auto request = protocol_.Next(now());
    return request.has_value() && std::holds_alternative<Request>(*request);
  }
  void Load(int64_t epoch) {
    protocol_.WantOwnership();
    ASSERT_TRUE(Asks<OwnerProtocol::TakeOver>());
    LoadResult result;
    result.facts.domain = DomainId(1);
    result.facts.epoch = Epoch(epoch);
    result.facts.flush_seq = kLoaded;
    protocol_.OnLoaded(std::move(result), {}, now());
    ASSERT_TRUE(protocol_.owner());
  }

  int64_t us_ = 1'000'000'000;
  OwnerProtocol protocol_;
};

TEST_F(OwnerProtocolTest, TakesADomainAgainThatIsItsOwnOnlyInTheDatabase) {
  protocol_.WantOwnership();
  ASSERT_TRUE(Asks<OwnerProtocol::TakeOver>());
  protocol_.OnLoaded(absl::UnavailableError("the answer was lost"), {}, now());
  us_ += 10'000'000;
  EXPECT_FALSE(Asks<OwnerProtocol::TakeOver>());
  protocol_.Observe(Epoch(1), kOther, kSelf, now());
  EXPECT_FALSE(Asks<OwnerProtocol::TakeOver>());
  protocol_.Observe(Epoch(2), kSelf, kSelf, now());
  EXPECT_TRUE(Asks<OwnerProtocol::TakeOver>());
}

TEST_F(OwnerProtocolTest, DoesNotTakeBackWhatItHasHandedOver) {
  Load(4);
  protocol_.WantRelease();
  ASSERT_TRUE(Asks<OwnerProtocol::Release>());
  protocol_.OnReleased(absl::OkStatus(), now());
  protocol_.Observe(Epoch(4), kSelf, kSelf, now());  // read before the release
  EXPECT_FALSE(Asks<OwnerProtocol::TakeOver>());
}

TEST_F(OwnerProtocolTest, TakesBackWhatItCouldNotHandOver) {
  Load(4);
  protocol_.WantRelease();
  ASSERT_TRUE(Asks<OwnerProtocol::Release>());
  protocol_.OnReleased(absl::UnavailableError("no database"), now());
  EXPECT_FALSE(Asks<OwnerProtocol::TakeOver>());
  protocol_.Observe(Epoch(4), kSelf, kSelf, now());
  EXPECT_TRUE(Asks<OwnerProtocol::TakeOver>());
}

// The worker goes on by a confirmation from the moment it has it.
TEST_F(OwnerProtocolTest, CountsConfirmationsAtOnce) {
  Load(1);
  SessionHello hello;
  hello.info.id = kWorker;
  hello.binding = BindingId(1);
  ASSERT_TRUE(protocol_.Offer(std::move(hello)));
  protocol_.Pump(now());
  const SteadyTime before = protocol_.domain()->Trust().at(kWorker);
  ASSERT_TRUE(protocol_.Offer(SessionConfirmed{kWorker, now().steady + absl::Seconds(5)}));
  EXPECT_EQ(protocol_.queued(), 0u);
  EXPECT_EQ(protocol_.domain()->Trust().at(kWorker), before + absl::Seconds(5));
}

// ---- When there is something to do ----

// A database that hangs must not keep the owner's thread busy: only its answer changes anything.
TEST_F(OwnerProtocolTest, NothingIsDueBeforeALateAnswerToALoad) {
  Load(1);
  protocol_.Recheck(now());
  EXPECT_LE(protocol_.NextSteady(), now().steady);
  ASSERT_TRUE(Asks<OwnerProtocol::Reload>());
  us_ += 10'000'000;
  EXPECT_EQ(protocol_.NextSteady(), SteadyTime::Infinite());
  protocol_.OnLoaded(absl::UnavailableError("no database"), {}, now());
  EXPECT_LT(protocol_.NextSteady(), SteadyTime::Infinite());
}

TEST_F(OwnerProtocolTest, AFollowerThatWantedIdsRests) {
  Load(1);
  ASSERT_TRUE(Asks<OwnerProtocol::TakeIds>());
  protocol_.Observe(Epoch(2), kOther, kSelf, now());
  protocol_.OnIds(absl::AbortedError("another owner"), now());
  EXPECT_FALSE(protocol_.Next(now()).has_value());
  EXPECT_FALSE(protocol_.owner());
  EXPECT_EQ(protocol_.NextSteady(), SteadyTime::Infinite());
}

TEST_F(OwnerProtocolTest, NothingIsDueBeforeALateAnswerToARelease) {
  Load(1);
  ASSERT_TRUE(protocol_.Offer(SessionConfirmed{kWorker, now().steady}));
  SessionHello hello;
  hello.info.id = kWorker;
  hello.binding = BindingId(1);
  ASSERT_TRUE(protocol_.Offer(std::move(hello)));
  ASSERT_TRUE(Asks<OwnerProtocol::Flush>());
  protocol_.OnFlushed({FlushVerdict::kCommitted, absl::OkStatus(), RunId()}, now());
  EXPECT_LT(protocol_.NextSteady(), SteadyTime::Infinite());  // when the session's lease ends
  protocol_.WantRelease();
  ASSERT_TRUE(Asks<OwnerProtocol::Release>());
  us_ += 60'000'000;
  EXPECT_EQ(protocol_.NextSteady(), SteadyTime::Infinite());
}

class FullBatchTest : public OwnerProtocolTest {
 protected:
  static DomainOptions OneRow() {
    DomainOptions options;
    options.max_rows = 1;
    return options;
  }
  FullBatchTest() : OwnerProtocolTest(OneRow()) {}
  void Hello(int64_t session) {
    SessionHello hello;
    hello.info.id = SessionId(session);
    hello.binding = BindingId(session);
    ASSERT_TRUE(protocol_.Offer(std::move(hello)));
  }
};

TEST_F(FullBatchTest, NothingIsDueBeforeALateAnswerToAFlush) {
  Load(1);
  Hello(1);
  ASSERT_TRUE(Asks<OwnerProtocol::Flush>());
  EXPECT_LT(protocol_.NextSteady(), SteadyTime::Infinite());  // there is room for the next batch
  Hello(2);
  protocol_.Pump(now());
  us_ += 60'000'000;
  EXPECT_EQ(protocol_.NextSteady(), SteadyTime::Infinite());
}

// ---- Lost commits ----

TEST_F(OwnerProtocolTest, SaysWhatItKnowsToBeCommitted) {
  Load(4);
  protocol_.Recheck(now());
  const auto reload = protocol_.Next(now());
  ASSERT_TRUE(reload.has_value());
  EXPECT_EQ(std::get<OwnerProtocol::Reload>(*reload).known, kLoaded);
  EXPECT_FALSE(std::get<OwnerProtocol::Reload>(*reload).waited);
  protocol_.OnLoaded(absl::AbortedError("another owner"), {}, now());
  protocol_.WantOwnership();
  us_ += 10'000'000;
  const auto takeover = protocol_.Next(now());
  ASSERT_TRUE(takeover.has_value());
  EXPECT_EQ(std::get<OwnerProtocol::TakeOver>(*takeover).known, kLoaded);
}

TEST_F(OwnerProtocolTest, HoldsStillUntilTheLeasesOfALostLifeHaveEnded) {
  Load(4);
  protocol_.Recheck(now());
  ASSERT_TRUE(Asks<OwnerProtocol::Reload>());
  LoadResult lost;
  lost.facts.epoch = Epoch(1000);
  lost.facts.flush_seq = FlushSeq(5000);
  lost.facts.waits = true;
  protocol_.OnLoaded(lost, {}, now());
  EXPECT_FALSE(protocol_.owner());
  EXPECT_TRUE(protocol_.waiting());
  EXPECT_FALSE(protocol_.Offer(SessionConfirmed{kWorker, now().steady}));
  const lease::Terms terms;
  us_ += absl::ToInt64Microseconds(terms.takeover_wait()) - 1;
  EXPECT_FALSE(Asks<OwnerProtocol::Reload>());
  us_ += 1;
  const auto request = protocol_.Next(now());
  ASSERT_TRUE(request.has_value());
  const auto& reload = std::get<OwnerProtocol::Reload>(*request);
  EXPECT_EQ(reload.epoch, Epoch(1000));
  EXPECT_TRUE(reload.waited);
  LoadResult found;
  found.facts.epoch = Epoch(1000);
  protocol_.OnLoaded(std::move(found), {}, now());
  EXPECT_TRUE(protocol_.owner());
  EXPECT_FALSE(protocol_.waiting());
}

// ---- Careful mode ----

// The database and a row of processes, each of which ends when its flush holds rows of the poison.
class CarefulTest : public ::testing::Test {
 protected:
  CarefulTest() {
    DagRow dag;
    dag.id = DagId(1);
    dag.version = VersionId(1);
    dag::DagSpec spec;
    dag::TaskSpec task;
    task.id = "a";
    task.kind = dag::TaskKind::kNoop;
    spec.tasks = {task};
    versions_[dag.version] = std::make_shared<const dag::Topology>(std::move(spec));
    facts_.domain = DomainId(1);
    facts_.namespaces.push_back({NamespaceId(1), "default", 1});
    dag.ns = NamespaceId(1);
    facts_.dags.push_back(dag);
  }
  Now now() const { return {SteadyTime::FromMicros(us_), absl::FromUnixMicros(us_)}; }
  void AddRun(int64_t id) {
    RunRow run;
    run.id = RunId(id);
    run.dag = DagId(1);
    run.version = VersionId(1);
    run.state = RunState::kRunning;
    facts_.runs.push_back(run);
  }
  // A life of a process: until it dies (false) or has nothing left to do.
  bool Live(const std::vector<Event>& events) {
    OwnerProtocol protocol({DomainId(1), {}}, 1);
    protocol.WantOwnership();
    bool offered = false;
    while (auto request = protocol.Next(now())) {
      us_ += 1000;
      if (std::holds_alternative<OwnerProtocol::Flush>(*request)) {
        const FlushBatch& batch = *std::get<OwnerProtocol::Flush>(*request).batch;
        if (Poisoned(batch)) return false;
        Write(batch);
        protocol.OnFlushed({FlushVerdict::kCommitted, absl::OkStatus(), RunId()}, now());
      } else if (const auto* note = std::get_if<OwnerProtocol::Note>(&*request)) {
        facts_.suspect = note->suspect;
        protocol.OnNoted(absl::OkStatus(), now());
      } else if (std::holds_alternative<OwnerProtocol::TakeIds>(*request)) {
        protocol.OnIds(std::pair(RunId(1000 + 100'000 * epoch_), int64_t{100'000}), now());
      } else {
        facts_.epoch = Epoch(++epoch_);
        ++facts_.loads_without_progress;
        protocol.OnLoaded(LoadResult{facts_, std::nullopt}, versions_, now());
      }
      if (protocol.owner() && !std::exchange(offered, true)) {
        for (const Event& event : events) EXPECT_TRUE(protocol.Offer(event));
        protocol.Offer(VersionLoaded{VersionId(1), versions_.at(VersionId(1))});
      }
      for (const Effects& effects : protocol.TakeDeliveries()) {
        for (const Reply& reply : effects.replies) answers_[reply.command] = reply.status;
      }
    }
    EXPECT_EQ(protocol.queued(), 0u);
    return true;
  }
  // How many lives end before one survives.
  int Deaths(const std::vector<Event>& events = {}) {
    int deaths = 0;
    while (deaths < 20 && !Live(events)) ++deaths;
    return deaths;
  }
  bool Poisoned(const FlushBatch& batch) const {
    return std::any_of(batch.decisions.begin(), batch.decisions.end(),
                       [this](const Decision& d) { return d.key.run == poison_; }) ||
           std::any_of(batch.new_runs.begin(), batch.new_runs.end(),
                       [](const RunRow& run) { return run.note == "poison"; });
  }
  void Write(const FlushBatch& batch) {
    if (batch.made_progress) facts_.loads_without_progress = 0;
    for (const RunUpdate& u : batch.run_updates) states_[u.run] = u;
    for (const RunUpdate& u : batch.run_updates) {
      std::erase_if(facts_.runs, [&](RunRow& run) {
        if (run.id == u.run) run.quarantined = u.quarantined, run.reason = u.reason;
        return run.id == u.run && IsTerminal(u.state);
      });
    }
    for (const int64_t id : batch.inbox_done) consumed_.push_back(id);
  }
  static Command Create(int64_t id, const std::string& note, int64_t inbox = 0) {
    NewRun run;
    run.dag = DagId(1);
    run.note = note;
    Command command;
    command.id = CommandId(id);
    command.inbox_id = inbox;
    command.body = CreateRuns{{run}};
    return command;
  }

  int64_t us_ = 1'000'000'000;
  int64_t epoch_ = 0;
  DomainFacts facts_;
  VersionMap versions_;
  RunId poison_;
  std::map<RunId, RunUpdate> states_;
  std::map<CommandId, absl::Status> answers_;
  std::vector<int64_t> consumed_;
};

TEST_F(CarefulTest, ARunAtWhichProcessesEndIsSetAsideAndTheOthersGoOn) {
  for (int64_t id = 1; id <= 5; ++id) AddRun(id);
  poison_ = RunId(3);
  EXPECT_LE(Deaths(), 4);
  EXPECT_TRUE(states_.at(RunId(3)).quarantined);
  for (const int64_t id : {1, 2, 4, 5}) {
    EXPECT_EQ(states_.at(RunId(id)).state, RunState::kSuccess) << id;
    EXPECT_FALSE(states_.at(RunId(id)).quarantined) << id;
  }
  EXPECT_EQ(facts_.suspect, "") << "nobody is under suspicion any more";
  EXPECT_EQ(Deaths(), 0);
}

TEST_F(CarefulTest, WhatOneProcessEndedAtIsInnocent) {
  for (int64_t id = 1; id <= 3; ++id) AddRun(id);
  facts_.loads_without_progress = 3;
  facts_.suspect = "run 2\nrun 1";
  EXPECT_EQ(Deaths(), 0);
  for (const int64_t id : {1, 2, 3}) {
    EXPECT_EQ(states_.at(RunId(id)).state, RunState::kSuccess) << id;
    EXPECT_FALSE(states_.at(RunId(id)).quarantined) << id;
  }
}

TEST_F(CarefulTest, ACommandAtWhichProcessesEndIsRefusedAndTheOthersAreCarriedOut) {
  AddRun(1);
  EXPECT_LE(Deaths({Create(1, "first"), Create(2, "poison"), Create(3, "third")}), 4);
  EXPECT_TRUE(answers_.at(CommandId(1)).ok());
  EXPECT_TRUE(absl::IsInternal(answers_.at(CommandId(2)))) << answers_.at(CommandId(2));
  EXPECT_TRUE(answers_.at(CommandId(3)).ok());
}

TEST_F(CarefulTest, ARowOfTheInboxAtWhichProcessesEndIsConsumed) {
  EXPECT_LE(Deaths({Create(0, "poison", 77)}), 4);
  EXPECT_EQ(consumed_, std::vector<int64_t>{77});
}

TEST_F(CarefulTest, WithoutSuspicionALateLoadIsOnlySlow) {
  for (int64_t id = 1; id <= 3; ++id) AddRun(id);
  facts_.loads_without_progress = 5;
  EXPECT_EQ(Deaths(), 0);
  for (const int64_t id : {1, 2, 3}) EXPECT_EQ(states_.at(RunId(id)).state, RunState::kSuccess);
}

TEST_F(CarefulTest, AnInputThatWritesNothingDoesNotStopTheNext) {
  facts_.loads_without_progress = 5;
  SessionHello hello;
  hello.info.id = kWorker;
  hello.binding = BindingId(1);
  AttemptEnded known_already;
  known_already.session = kWorker;
  known_already.result.ref.key.run = RunId(1);
  EXPECT_EQ(Deaths({hello, known_already, known_already, known_already}), 0);
}

}  // namespace
}  // namespace penstock::core
