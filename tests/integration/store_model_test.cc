// The simulator's model of the store and PostgreSQL, told the same: they must answer the same and
// hold the same after every call. One sequence again, step by step:
//   PENSTOCK_STORE_SEED=7 store_model_test
// More of them: PENSTOCK_STORE_SEQUENCES=5000.
#include <gmock/gmock.h>

#include <cstdlib>

#include "common/base/status_macros.h"
#include "common/testing/fake_clock.h"
#include "fmt/format.h"
#include "scheduler/store/pg/load.h"
#include "scheduler/store/pg/maintenance.h"
#include "scheduler/store/pg/pg_test_base.h"
#include "scheduler/store/pg/transaction.h"
#include "tests/integration/store_sequence.h"

namespace penstock::pg {
namespace {

constexpr uint64_t kSequences = 200;
constexpr int kSteps = 30;

// One of the two schedulers that fight for the domain, with what it believes.
struct Contender {
  SchedulerId id;
  Epoch epoch;
  FlushSeq seq;       // of the last row of the fence that it knows
  FlushSeq in_doubt;  // of the flush whose answer it did not get; 0 = none
};

std::string Text(const core::LoadResult& load) {
  std::string text = fmt::format(
      "epoch {} flush_seq {} loads {} suspect '{}' committed {}\n", load.facts.epoch.value(),
      load.facts.flush_seq.value(), load.facts.loads_without_progress, load.facts.suspect,
      load.in_doubt_committed ? (*load.in_doubt_committed ? "yes" : "no") : "not asked");
  for (const std::string& line : ToLines(load.facts)) text += line + "\n";
  return text;
}

std::string Text(const absl::Status& status) {
  return std::string(absl::StatusCodeToString(status.code()));
}

std::string Text(const absl::StatusOr<core::LoadResult>& load) {
  return load.ok() ? Text(*load) : Text(load.status());
}

std::string Text(const core::FlushResult& result) {
  return fmt::format("verdict {} {} culprit {}", static_cast<int>(result.verdict),
                     Text(result.status), result.culprit.value());
}

class Duel {
 public:
  Duel(uint64_t number, Database& database, const store::NamespaceRecord& ns,
       std::function<int64_t(DomainId)> add_inbox)
      : database_(database),
        domain_(ns.domain),
        add_inbox_(std::move(add_inbox)),
        model_(ns.domain),
        store_(database, ns.domain),
        sequence_(number, ns.id, model_),
        random_(sequence_.random()),
        maintenance_(database, clock_),
        contenders_{Contender{SchedulerId(1), {}, {}, {}}, Contender{SchedulerId(2), {}, {}, {}}} {
    model_.AddNamespace({ns.id, ns.name, ns.weight});
    TakeOver(contenders_[0], Epoch());
    const auto ids = store_.TakeIds(contenders_[0].epoch, 100);
    EXPECT_TRUE(ids.ok()) << ids.status();
    if (ids.ok()) sequence_.GiveIds(*ids);
  }

  // False when the two differed.
  bool Step() {
    Contender& c = contenders_[random_.Below(2)];
    switch (random_.Below(24)) {
      case 0:
      case 1:
        TakeOver(c, random_.OneIn(4) ? Epoch(model_.epoch().value() - 1) : model_.epoch());
        break;
      case 2:
      case 3:
        Reload(c);
        break;
      case 4:
        TakeIds(c);
        break;
      case 5:
        if (random_.OneIn(3)) {
          Release(c);
        } else {
          Note(c);
        }
        break;
      case 6:
        LoadRun(sequence_.AnyRun());
        break;
      case 7:
        Retain();
        break;
      case 8:
        Repeat();
        break;
      case 9:
        AddInbox();
        break;
      default:
        Flush(random_.OneIn(8) ? c : Owner());
    }
    CompareContents();
    return same_;
  }

  bool CompareRuns() {
    for (const auto& [id, run] : model_.runs()) LoadRun(id);
    return same_;
  }

  void Say(const char* what) const {
    if (verbose) fmt::print("{}: {}\n", what, log_);
  }
  bool verbose = false;

 private:
  void Same(const std::string& what, const std::string& model, const std::string& postgres) {
    log_ = what;
    if (model == postgres) return;
    same_ = false;
    EXPECT_EQ(model, postgres) << what << " (model, PostgreSQL)";
  }

  Contender& Owner() {
    return contenders_[0].epoch >= contenders_[1].epoch ? contenders_[0] : contenders_[1];
  }

  void TakeOver(Contender& c, Epoch seen) {
    const auto model = model_.TakeOver(c.id, {seen});
    const auto postgres = store_.TakeOver(c.id, {seen});
    Same(fmt::format("take over from epoch {}", seen.value()), Text(model), Text(postgres));
    if (!model.ok()) return;
    c.epoch = model->facts.epoch;
    c.seq = model->facts.flush_seq;
    c.in_doubt = FlushSeq();
  }

  void Reload(Contender& c) {
    if (!c.epoch) return;
    const FlushSeq asked = random_.OneIn(3) ? FlushSeq(c.seq.value() + 1) : c.in_doubt;
    core::OwnerProtocol::Reload request{c.epoch, asked};
    request.refused = random_.OneIn(2);
    const auto model = model_.Reload(request);
    const auto postgres = store_.Reload(request);
    Same(fmt::format("reload under epoch {} with {} in doubt", c.epoch.value(), asked.value()),
         Text(model), Text(postgres));
    if (!model.ok() || random_.OneIn(4)) return;  // this answer may be lost too
    c.seq = model->facts.flush_seq;
    c.in_doubt = FlushSeq();
  }

  void TakeIds(const Contender& c) {
    if (!c.epoch) return;
    const auto model = model_.TakeIds(c.epoch, 10);
    const auto postgres = store_.TakeIds(c.epoch, 10);
    Same("take ids", Text(model.status()), Text(postgres.status()));
  }

  void Note(const Contender& c) {
    if (!c.epoch) return;
    const std::string suspect = random_.OneIn(2) ? "" : fmt::format("run {}", random_.Below(9));
    const absl::Status model = model_.Note(c.epoch, suspect);
    Same("note", Text(model), Text(store_.Note(c.epoch, suspect)));
  }

  void Release(const Contender& c) {
    if (!c.epoch) return;
    const absl::Status model = model_.Release(c.epoch);
    Same("release", Text(model), Text(store_.Release(c.epoch)));
  }

  void LoadRun(RunId run) {
    const auto show = [](const absl::StatusOr<core::DomainFacts>& facts) {
      return facts.ok() ? Text(core::LoadResult{*facts, std::nullopt}) : Text(facts.status());
    };
    Same(fmt::format("load run {}", run.value()), show(model_.LoadRun(run)),
         show(store_.LoadRun(run)));
  }

  // By somebody else, any time.
  void Retain() {
    const int64_t cutoff_us = testing::kLastDays + static_cast<int64_t>(random_.Below(1000));
    clock_.JumpWall(absl::FromUnixMicros(cutoff_us));
    model_.Retain(cutoff_us);
    const auto report = maintenance_.Retain(0, 100'000);
    Same("retain", "OK", Text(report.status()));
  }

  void AddInbox() {
    const int64_t id = add_inbox_(domain_);
    model_.AddInbox(id);
    sequence_.AddInbox(id);
    log_ = "inbox";
  }

  void Flush(Contender& c) {
    if (!c.epoch) return;
    // Whoever does not know where the fence stands asks, as a rule.
    const bool lags = c.epoch == model_.epoch() && c.seq != model_.last_seq();
    if (lags && !random_.OneIn(4)) return Reload(c);
    FlushSeq seq(c.seq.value() + 1);
    if (random_.OneIn(20)) seq = FlushSeq(seq.value() + 1);
    last_ = {c.epoch, seq, sequence_.Batch()};
    const core::FlushResult result = FlushLast();
    if (result.verdict != core::FlushVerdict::kCommitted) return;
    // The answer is lost now and then: the owner does not know where the fence stands.
    (random_.OneIn(8) ? c.in_doubt : c.seq) = seq;
  }

  // As a connection does that delivers twice.
  void Repeat() {
    if (last_.epoch) FlushLast();
  }

  core::FlushResult FlushLast() {
    core::FlushResult model = model_.Flush(last_.epoch, last_.seq, last_.batch);
    const core::FlushResult postgres = store_.Flush(last_.epoch, last_.seq, last_.batch);
    Same(fmt::format("flush {} of epoch {} ({} rows): model \"{}\", PostgreSQL \"{}\"",
                     last_.seq.value(), last_.epoch.value(), last_.batch.rows(),
                     model.status.ToString(), postgres.status.ToString()),
         Text(model), Text(postgres));
    return model;
  }

  // What a load would read; nothing is written.
  void CompareContents() {
    const auto postgres = InTransaction<core::DomainFacts>(
        database_, {absl::Seconds(10), absl::Seconds(3)},
        [&](Transaction& transaction) -> absl::StatusOr<core::DomainFacts> {
          core::DomainFacts facts;
          facts.domain = domain_;
          PENSTOCK_RETURN_IF_ERROR(LoadDomain(transaction, &facts));
          return facts;
        });
    core::DomainFacts model = model_.Facts();
    model.epoch = Epoch();
    model.flush_seq = FlushSeq();
    model.loads_without_progress = 0;
    const std::string after = log_;
    Same("contents after " + after, Text(core::LoadResult{model, std::nullopt}),
         postgres.ok() ? Text(core::LoadResult{*postgres, std::nullopt}) : Text(postgres.status()));
    log_ = after;
  }

  struct LastFlush {
    Epoch epoch;
    FlushSeq seq;
    core::FlushBatch batch;
  };

  Database& database_;
  const DomainId domain_;
  const std::function<int64_t(DomainId)> add_inbox_;
  sim::StoreModel model_;
  PgDomainStore store_;
  testing::StoreSequence sequence_;
  SplitMix64& random_;
  testing::FakeClock clock_;
  PgMaintenance maintenance_;
  Contender contenders_[2];
  LastFlush last_;
  std::string log_;
  bool same_ = true;
};

class StoreModelTest : public PgTest {
 protected:
  StoreModelTest() : connection_(template_copy_.dsn()) {}

  bool Run(uint64_t seed, bool verbose) {
    const auto ns = NewNamespace("team " + std::to_string(seed));
    Duel duel(seed, *database_, ns, [this](DomainId domain) { return NewInboxRow(domain); });
    duel.verbose = verbose;
    bool same = true;
    for (int step = 0; same && step < kSteps; ++step) {
      SCOPED_TRACE(fmt::format("PENSTOCK_STORE_SEED={} step {}", seed, step));
      same = duel.Step();
      duel.Say(fmt::format("step {}", step).c_str());
    }
    SCOPED_TRACE(fmt::format("PENSTOCK_STORE_SEED={} at the end", seed));
    return same && duel.CompareRuns();
  }

  int64_t NewInboxRow(DomainId domain) {
    pqxx::nontransaction transaction(connection_);
    const std::string text = fmt::format(
        "insert into penstock.inbox (domain_id, method, payload, created_us) "
        "values ({}, 'CreateRun', '{{}}', 0) returning id",
        domain.value());
    return transaction.exec(text)[0][0].as<int64_t>();
  }

  pqxx::connection connection_;
};

TEST_F(StoreModelTest, TheModelAndPostgresAnswerAndHoldTheSame) {
  if (const char* seed = std::getenv("PENSTOCK_STORE_SEED"); seed != nullptr) {
    Run(std::strtoull(seed, nullptr, 10), /*verbose=*/true);
    return;
  }
  const char* const wanted = std::getenv("PENSTOCK_STORE_SEQUENCES");
  const uint64_t count = wanted == nullptr ? kSequences : std::strtoull(wanted, nullptr, 10);
  for (uint64_t seed = 1; seed <= count; ++seed) {
    if (!Run(seed, /*verbose=*/false)) return;
  }
}

}  // namespace
}  // namespace penstock::pg
