#include "scheduler/api/dag_file.h"

#include <fmt/format.h>

#include <utility>

#include "common/base/status.h"
#include "scheduler/api/bundle_check.h"

namespace penstock::api {
namespace {

// Together they must fit the 8 KiB that many clients allow for all trailing metadata.
constexpr size_t kMaxTextBytes = 3 << 10;
constexpr size_t kMaxDetailBytes = 3 << 10;

v1::Problem ToProto(const dag::Problem& problem) {
  v1::Problem out;
  out.set_line(problem.line);
  out.set_column(problem.column);
  out.set_path(problem.path);
  out.set_message(problem.message);
  out.set_suggestion(problem.suggestion);
  return out;
}

std::string ToText(const std::vector<dag::Problem>& problems) {
  std::string text;
  for (size_t i = 0; i < problems.size(); ++i) {
    const std::string line = dag::ToString(problems[i], "dag");
    if (text.size() + line.size() > kMaxTextBytes && i > 0) {
      return text + fmt::format("\n... and {} more problems", problems.size() - i);
    }
    text += (i == 0 ? "" : "\n") + line;
  }
  return text;
}

v1::ProblemList ToList(const std::vector<dag::Problem>& problems) {
  v1::ProblemList list;
  for (const dag::Problem& problem : problems) {
    *list.add_problems() = ToProto(problem);
    if (list.ByteSizeLong() <= kMaxDetailBytes) continue;
    list.mutable_problems()->RemoveLast();
    break;
  }
  return list;
}

DagFileCheck Refuse(const std::vector<dag::Problem>& problems) {
  return {MakeStatus(absl::StatusCode::kInvalidArgument, ToText(problems)), ToList(problems),
          nullptr};
}

// What only the file and the bundle together can tell.
std::vector<dag::Problem> Compare(const dag::DagSpec& spec, std::string_view bundle) {
  std::vector<dag::Problem> problems;
  if (!spec.files.empty() && bundle.empty()) {
    problems.push_back({0, 0, "files", "the DAG file names files, but none were sent with it", ""});
  }
  if (spec.files.empty() && !bundle.empty()) {
    problems.push_back({0, 0, "files", "files were sent, but the DAG file does not name any", ""});
  }
  return problems;
}

}  // namespace

DagFileCheck CheckDagFile(std::string_view yaml, std::string_view bundle) {
  dag::ParseResult parsed = dag::ParseDag(yaml);
  const absl::StatusOr<std::string> bundle_hash = CheckBundle(bundle);
  if (!bundle_hash.ok()) {
    parsed.problems.push_back({0, 0, "", std::string(Message(bundle_hash.status())), ""});
  }
  if (!parsed.problems.empty()) return Refuse(parsed.problems);
  if (const auto problems = Compare(*parsed.dag, bundle); !problems.empty()) {
    return Refuse(problems);
  }
  auto dag = std::make_shared<CheckedDag>();
  dag->canonical_json = dag::CanonicalJson(*parsed.dag);
  if (dag->canonical_json.size() > kMaxCanonicalBytes) {
    return Refuse({{0, 0, "",
                    fmt::format("the DAG with all its defaults takes {} bytes, at most {} are "
                                "allowed: split it",
                                dag->canonical_json.size(), kMaxCanonicalBytes),
                    ""}});
  }
  dag->bundle_hash = *bundle_hash;
  dag->hash = dag::VersionHash(dag->canonical_json, dag->bundle_hash);
  dag->topology = std::make_shared<const dag::Topology>(*std::move(parsed.dag));
  return {absl::OkStatus(), {}, std::move(dag)};
}

}  // namespace penstock::api
