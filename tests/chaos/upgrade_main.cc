// penstock-upgrade OLD NEW: a fleet of the programs of directory OLD, rolled process by process to
// those of NEW and back, under load (upgrade.sh builds OLD from an older commit). Then a domain of
// a feature level that nobody here knows: left alone, and taken once somebody knows it.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "tests/chaos/fleet.h"
#include "tests/chaos/truth.h"
#include "tests/chaos/workload.h"

namespace penstock::chaos {
namespace {

constexpr absl::Duration kPace = absl::Milliseconds(250);
constexpr absl::Duration kSettle = absl::Seconds(2);  // between two processes: mixed work goes on
constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr absl::Duration kDrain = absl::Seconds(40);  // beyond a worker's --grace
// A planned stop hands its domains over, so nobody waits for a lease (2 s here). Half a second is
// usual; a machine with far more to do than it can took one.
constexpr double kLongestGapSeconds = 1.8;
// An undisturbed run of the workload takes two seconds.
constexpr double kSlowestRunSeconds = 10.0;

bool Eventually(absl::Duration at_most, const std::function<bool()>& holds) {
  const SteadyTime end = RealClock().Steady() + at_most;
  while (!holds()) {
    if (RealClock().Steady() > end) return false;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return true;
}

class Upgrade {
 public:
  Upgrade(FleetOptions options, std::string new_dir)
      : options_(std::move(options)), new_dir_(std::move(new_dir)) {}

  absl::StatusOr<bool> Run() {
    const std::string truth_file = options_.data_dir + "/truth";
    std::ofstream(truth_file).close();
    PENSTOCK_ASSIGN_OR_RETURN(fleet_, Fleet::Start(options_));
    client_ = fleet_->NewClient(absl::Seconds(60));
    PENSTOCK_RETURN_IF_ERROR(PrepareWorkload(*client_, truth_file));
    begin_ = RealClock().Steady();
    Load load(fleet_->NewClient(absl::Seconds(30)), kPace);
    absl::SleepFor(kSettle);
    PENSTOCK_RETURN_IF_ERROR(RollAll("new", new_dir_));
    PENSTOCK_RETURN_IF_ERROR(RollAll("old", options_.bin_dir));
    load.Stop();
    PENSTOCK_RETURN_IF_ERROR(WaitForEnd(*client_, kPatience).status());
    Verdict verdict = Judge(ReadTruth(truth_file), load.acknowledged(), WorkloadRules());
    JudgeUpgrade(load, ReadTruth(truth_file), &verdict);
    PENSTOCK_RETURN_IF_ERROR(FeatureLevels(&verdict.violations));
    for (const std::string& violation : verdict.violations) {
      std::printf("VIOLATION %s\n", violation.c_str());
    }
    return verdict.violations.empty();
  }

 private:
  void Tell(const std::string& line) {
    std::printf("%7.2f %s\n", absl::ToDoubleSeconds(RealClock().Steady() - begin_), line.c_str());
    std::fflush(stdout);
  }

  // Schedulers first, as docs/operations.md says: on the way up they are newer than the workers, on
  // the way down older.
  absl::Status RollAll(const std::string& name, const std::string& dir) {
    for (std::vector<Node>* nodes : {&fleet_->schedulers(), &fleet_->workers()}) {
      for (Node& node : *nodes) {
        Tell(fmt::format("{} {} becomes {}", nodes == &fleet_->workers() ? "worker" : "scheduler",
                         &node - nodes->data() + 1, name));
        PENSTOCK_RETURN_IF_ERROR(Roll(node, dir));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Roll(Node& node, const std::string& dir) {
    PENSTOCK_RETURN_IF_ERROR(node.Stop(kDrain));
    node.Use(dir);
    PENSTOCK_RETURN_IF_ERROR(node.Start());
    if (!Eventually(kPatience, [this] { return Complete(); })) {
      return absl::DeadlineExceededError("the fleet is not complete again");
    }
    absl::SleepFor(kSettle);
    return absl::OkStatus();
  }

  // Every scheduler has joined and every worker serves.
  bool Complete() {
    const auto workers = client_->ListWorkers({});
    if (!workers.ok()) return false;
    const auto serving = std::count_if(
        workers->workers().begin(), workers->workers().end(),
        [](const v1::Worker& worker) { return worker.connected() && !worker.draining(); });
    return serving == options_.workers &&
           fleet_->Query("select count(*) from penstock.scheduler") ==
               std::to_string(options_.schedulers);
  }

  void JudgeUpgrade(const Load& load, const Truth& truth, Verdict* verdict) {
    std::vector<std::string>& violations = verdict->violations;
    CompareWithTruth(*client_, load.acknowledged(), truth, &violations);
    const std::string slowest =
        fleet_->Query("select round(max(finished_us - created_us) / 1e6, 1) from penstock.run");
    std::printf(
        "runs %zu (refused %d), attempts %lld (%lld repeated), longest gap %.2f s, "
        "slowest run %s s\n",
        load.acknowledged().size(), load.refused(), static_cast<long long>(verdict->attempts),
        static_cast<long long>(verdict->repeated), verdict->longest_gap, slowest.c_str());
    if (load.refused() != 0) {
      violations.push_back("runs were refused: " + load.last_refusal().ToString());
    }
    if (verdict->repeated != 0) violations.emplace_back("attempts were repeated");
    if (verdict->longest_gap > kLongestGapSeconds) violations.emplace_back("the gap is too long");
    double seconds = 0;
    if (!absl::SimpleAtod(slowest, &seconds) || seconds > kSlowestRunSeconds) {
      violations.emplace_back("a run is late");
    }
  }

  // Whether a run in the namespace is answered within `at_most`.
  bool Answers(const std::string& name, absl::Duration at_most) {
    v1::ApplyDagRequest dag;
    dag.set_namespace_(name);
    dag.set_yaml("dag: probe\ntasks: {a: {noop: {}}}\n");
    v1::CreateRunRequest run;
    run.set_namespace_(name);
    run.set_dag("probe");
    const auto client = fleet_->NewClient(at_most);
    return client->ApplyDag(dag).ok() && client->CreateRun(run).ok();
  }

  absl::Status FeatureLevels(std::vector<std::string>* violations) {
    v1::CreateNamespaceRequest request;
    request.set_name("future");
    PENSTOCK_ASSIGN_OR_RETURN(const v1::Namespace made, client_->CreateNamespace(request));
    if (!Answers("future", kPatience)) violations->emplace_back("a new domain has no owner");
    const std::string domain =
        fmt::format("update penstock.domain set feature_level = {{}} where id = {}", made.domain());
    fleet_->Query(fmt::format(fmt::runtime(domain), 1000));
    for (Node& node : fleet_->schedulers()) {
      PENSTOCK_RETURN_IF_ERROR(node.Stop(kDrain));
      PENSTOCK_RETURN_IF_ERROR(node.Start());
    }
    if (!Eventually(kPatience, [this] { return Complete(); })) {
      return absl::DeadlineExceededError("the fleet is not complete again");
    }
    const bool others = Answers("default", kPatience);
    const bool refused = !Answers("future", absl::Seconds(5));
    fleet_->Query(fmt::format(fmt::runtime(domain), 1));
    const bool taken = Answers("future", kPatience);
    std::printf("a domain of feature level 1000: %s; others: %s; at level 1 again: %s\n",
                refused ? "left alone" : "TAKEN", others ? "owned" : "NOT OWNED",
                taken ? "taken" : "NOT TAKEN");
    if (!refused || !others || !taken) violations->emplace_back("feature levels are not respected");
    return absl::OkStatus();
  }

  const FleetOptions options_;
  const std::string new_dir_;
  std::unique_ptr<Fleet> fleet_;
  std::unique_ptr<client::Client> client_;
  SteadyTime begin_;
};

int Main(const std::string& old_dir, const std::string& new_dir) {
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  FleetOptions options;
  options.bin_dir = old_dir;
  options.slots = 16;
  options.data_dir = (std::filesystem::temp_directory_path() / "penstock-upgrade-XXXXXX").string();
  if (mkdtemp(options.data_dir.data()) == nullptr) {
    std::fprintf(stderr, "cannot make %s: set TMPDIR\n", options.data_dir.c_str());
    return 2;
  }
  std::filesystem::permissions(options.data_dir, std::filesystem::perms(0711));
  const auto good = Upgrade(options, new_dir).Run();
  if (!good.ok()) std::printf("FAILED %s\n", good.status().ToString().c_str());
  const bool passed = good.value_or(false);
  std::error_code ignored;
  if (passed) {
    std::filesystem::remove_all(options.data_dir, ignored);
  } else {
    std::printf("kept: %s\n", options.data_dir.c_str());
  }
  std::puts(passed ? "PASS" : "FAIL");
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace penstock::chaos

int main(int argc, char** argv) {
  if (argc == 3) return penstock::chaos::Main(argv[1], argv[2]);
  std::fputs("usage: penstock-upgrade DIRECTORY_OF_OLD_PROGRAMS DIRECTORY_OF_NEW_ONES\n", stderr);
  return 2;
}
