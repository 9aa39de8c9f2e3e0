// penstock-shape: one turn of Penstock in a comparison (../README.md): runs a DAG of a shape on a
// cluster that is up, and prints what it took as a line of JSON.
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "tests/bench/cluster.h"
#include "tests/bench/runs.h"
#include "tests/bench/shapes.h"

namespace penstock::bench {
namespace {

constexpr char kHelp[] =
    "usage: penstock-shape ADDRESS SHAPE TASK\n"
    "  ADDRESS  of a scheduler\n"
    "  SHAPE    single:N   N runs of one task each\n"
    "           wide:N     one run of N tasks without edges\n"
    "           chain:N    one run, each task needs the one before it\n"
    "           layered:N  one run of N layers of N tasks, three upstream each\n"
    "  TASK     what each task is, as in a DAG file: 'exec: [\"true\"]'\n"
    "Prints tasks, seconds (from the call that asks for the work to the end of the last task), "
    "and\n"
    "for a single run when each task began and ended, by index, in seconds of the wall clock.\n";
constexpr absl::Duration kAtMost = absl::Minutes(5);

struct Shape {
  std::string yaml;
  int runs = 1;
};

std::optional<Shape> Parse(const std::string& text, const std::string& task) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  int n = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[1], &n) || n < 1) return std::nullopt;
  if (parts[0] == "single") return Shape{Wide("single", 1, task), n};
  if (parts[0] == "wide") return Shape{Wide("wide", n, task)};
  if (parts[0] == "chain") return Shape{Chain("chain", n, task)};
  if (parts[0] == "layered") return Shape{Layered("layered", n, n, task)};
  return std::nullopt;
}

double Seconds(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + static_cast<double>(time.nanos()) / 1e9;
}

absl::StatusOr<nlohmann::json> Times(client::Client& client, int64_t run) {
  nlohmann::json times = nlohmann::json::array();
  v1::ListTaskInstancesRequest request;
  request.set_namespace_("default");
  request.mutable_run()->set_id(run);
  request.set_page_size(1000);
  do {
    PENSTOCK_ASSIGN_OR_RETURN(const v1::ListTaskInstancesResponse response,
                              client.ListTaskInstances(request));
    for (const v1::TaskInstance& task : response.instances()) {
      times.push_back({Seconds(task.started_at()), Seconds(task.finished_at())});
    }
    request.set_cursor(response.next_cursor());
  } while (!request.cursor().empty());
  return times;
}

// Until this run has ended: when, by the scheduler's record. Asks for the one run only, since
// looking through lists of many would be part of what is measured.
absl::StatusOr<double> FinishedAt(client::Client& client, int64_t run) {
  v1::GetRunRequest request;
  request.set_namespace_("default");
  request.mutable_run()->set_id(run);
  const absl::Time give_up = RealClock().Wall() + kAtMost;
  while (RealClock().Wall() < give_up) {
    PENSTOCK_ASSIGN_OR_RETURN(const v1::Run state, client.GetRun(request));
    if (state.has_finished_at()) return Seconds(state.finished_at());
    absl::SleepFor(kPollPeriod);
  }
  return absl::DeadlineExceededError("the run does not end");
}

absl::StatusOr<nlohmann::json> Turn(Cluster& cluster, const Shape& shape, const std::string& dag) {
  PENSTOCK_RETURN_IF_ERROR(cluster.Apply(shape.yaml));
  const absl::Time begin = RealClock().Wall();
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> runs,
                            cluster.Trigger(cluster.client(), dag, shape.runs));
  PENSTOCK_ASSIGN_OR_RETURN(const double end, FinishedAt(cluster.client(), runs.back()));
  PENSTOCK_RETURN_IF_ERROR(cluster.WaitForAll(kAtMost));
  if (dag == "single") {
    return nlohmann::json{{"tasks", shape.runs},
                          {"seconds", absl::ToDoubleSeconds(RealClock().Wall() - begin)}};
  }
  // By the records: what polls find late does not count.
  PENSTOCK_ASSIGN_OR_RETURN(nlohmann::json times, Times(cluster.client(), runs[0]));
  const double seconds = end - absl::ToDoubleSeconds(begin - absl::UnixEpoch());
  return nlohmann::json{{"tasks", times.size()}, {"seconds", seconds}, {"times", std::move(times)}};
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const auto shape = argc == 4 ? penstock::bench::Parse(argv[2], argv[3]) : std::nullopt;
  if (!shape) {
    std::fputs(penstock::bench::kHelp, stderr);
    return 2;
  }
  const std::string dag = std::string(argv[2]).substr(0, std::string(argv[2]).find(':'));
  const auto cluster = penstock::bench::Cluster::Attach(argv[1]);
  const auto turn = penstock::bench::Turn(*cluster, *shape, dag);
  if (!turn.ok()) {
    std::fprintf(stderr, "%s: %s\n", argv[2], turn.status().ToString().c_str());
    return 1;
  }
  std::puts(turn->dump().c_str());
  return 0;
}
