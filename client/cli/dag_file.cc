#include "client/cli/dag_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "client/cli/files.h"
#include "client/cli/text.h"
#include "common/base/status_macros.h"
#include "common/dag/limits.h"

namespace penstock::client {
namespace {

std::string FolderOf(const std::string& name) {
  if (name == "-") return ".";
  const std::string folder = std::filesystem::path(name).parent_path().string();
  return folder.empty() ? "." : folder;
}

constexpr std::string_view kTemplate =
    R"(# A DAG: tasks, and what each of them needs first. Check it with `penstock dag lint`, put it into
# force with `penstock apply`, run it with `penstock trigger {0} --watch`.
dag: {0}
description: Counts words in a text.

# What a run may be given: `penstock trigger {0} --param text="to be or not to be"`.
params:
  text: {{type: string, default: "the quick brown fox jumps over the lazy dog"}}

# What holds for every task that does not say otherwise.
defaults:
  retries: {{max: 2, backoff: 5s..1m}}
  timeout: 10m

tasks:
  # Values reach a script as environment variables, so no quoting can go wrong.
  split:
    env: {{TEXT: "${{{{ params.text }}}}"}}
    sh: |
      words=$(printf '%s' "$TEXT" | wc -w)
      echo "counted $words words"
      # Outputs are key=value lines in the file that $PENSTOCK_OUTPUT names.
      echo "words=$words" >> "$PENSTOCK_OUTPUT"

  # Runs beside `split`: neither needs the other.
  prepare:
    sh: echo "ready to report"

  report:
    needs: [split, prepare]
    env: {{WORDS: "${{{{ tasks.split.output.words }}}}"}}
    sh: echo "The text has $WORDS words."
)";

}  // namespace

absl::StatusOr<DagFile> ReadDagFile(const std::string& name, std::istream& in) {
  DagFile file;
  file.name = name == "-" ? "<stdin>" : name;
  file.folder = FolderOf(name);
  const dag::Limits limits;
  PENSTOCK_ASSIGN_OR_RETURN(file.text,
                            ReadInput(name, static_cast<int64_t>(limits.max_file_bytes), in));
  file.parsed = dag::ParseDag(file.text, limits);
  return file;
}

void PrintProblems(const std::vector<dag::Problem>& problems, std::string_view name,
                   std::ostream& out) {
  for (const dag::Problem& problem : problems) {
    out << Printable(dag::ToString(problem, name)) << "\n";
  }
}

std::vector<dag::Problem> FromProto(const std::vector<v1::Problem>& problems) {
  std::vector<dag::Problem> out;
  out.reserve(problems.size());
  for (const v1::Problem& problem : problems) {
    out.push_back({problem.line(), problem.column(), problem.path(), problem.message(),
                   problem.suggestion()});
  }
  return out;
}

v1::Problem ToProto(const dag::Problem& problem) {
  v1::Problem out;
  out.set_line(problem.line);
  out.set_column(problem.column);
  out.set_path(problem.path);
  out.set_message(problem.message);
  out.set_suggestion(problem.suggestion);
  return out;
}

std::string DagTemplate(std::string_view name) { return fmt::format(kTemplate, name); }

}  // namespace penstock::client
