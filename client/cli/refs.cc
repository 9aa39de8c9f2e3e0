#include "client/cli/refs.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "client/cli/text.h"
#include "client/lib/errors.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

template <typename Number>
std::optional<Number> ToNumber(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

// "RUN_STATE_QUEUED" -> "queued".
std::string Word(std::string_view name, std::string_view prefix) {
  std::string word(name.substr(prefix.size()));
  for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return word;
}

std::string Constant(std::string_view word, std::string_view prefix) {
  std::string name(prefix);
  for (const char c : word) name += c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c;
  return name;
}

}  // namespace

absl::StatusOr<v1::RunRef> ParseRunRef(std::string_view text) {
  v1::RunRef run;
  const size_t slash = text.find('/');
  if (const auto id = ToNumber<int64_t>(text); id && *id > 0) {
    run.set_id(*id);
    return run;
  }
  run.set_dag(std::string(text.substr(0, slash)));
  if (slash != std::string_view::npos) run.set_key(std::string(text.substr(slash + 1)));
  const bool bad = run.dag().empty() || (slash != std::string_view::npos && run.key().empty());
  if (!bad) return run;
  return UsageError(fmt::format(
      "\"{}\" is no run: give an id, DAG/KEY, or a DAG for its newest run", Printable(text)));
}

absl::StatusOr<v1::RunRef> ResolveRun(Client& client, const std::string& name_space,
                                      std::string_view text) {
  PENSTOCK_ASSIGN_OR_RETURN(v1::RunRef run, ParseRunRef(text));
  if (run.id() != 0 || !run.key().empty()) return run;
  v1::ListRunsRequest request;
  request.set_namespace_(name_space);
  request.set_dag(run.dag());
  request.set_page_size(1);
  PENSTOCK_ASSIGN_OR_RETURN(const v1::ListRunsResponse runs, client.ListRuns(request));
  if (runs.runs().empty()) {
    return MarkRemote(
        MakeStatus(absl::StatusCode::kNotFound, fmt::format("DAG \"{}\" has no run", run.dag())));
  }
  run.Clear();
  run.set_id(runs.runs(0).id());
  return run;
}

absl::StatusOr<TaskRef> ParseTaskRef(std::string_view text) {
  const size_t open = text.find('[');
  if (open == std::string_view::npos && !text.empty()) return TaskRef{std::string(text), -1};
  if (open != 0 && !text.empty() && text.back() == ']') {
    const auto index = ToNumber<int32_t>(text.substr(open + 1, text.size() - open - 2));
    if (index) return TaskRef{std::string(text.substr(0, open)), *index};
  }
  return UsageError(fmt::format("\"{}\" is no task: give its id, or ID[INDEX]", Printable(text)));
}

std::string ToString(const TaskRef& ref) {
  return ref.map_index < 0 ? ref.task : fmt::format("{}[{}]", ref.task, ref.map_index);
}

std::string ToString(const v1::RunRef& run) {
  return run.id() != 0 ? std::to_string(run.id()) : fmt::format("{}/{}", run.dag(), run.key());
}

std::string StateName(v1::RunState state) {
  if (!v1::RunState_IsValid(state)) return std::to_string(static_cast<int>(state));
  return Word(v1::RunState_Name(state), "RUN_STATE_");
}

std::string StateName(v1::TaskState state) {
  if (!v1::TaskState_IsValid(state)) return std::to_string(static_cast<int>(state));
  return Word(v1::TaskState_Name(state), "TASK_STATE_");
}

std::string CauseName(v1::Cause cause) {
  if (!v1::Cause_IsValid(cause)) return std::to_string(static_cast<int>(cause));
  return Word(v1::Cause_Name(cause), "CAUSE_");
}

bool IsTerminal(v1::RunState state) {
  return state == v1::RUN_STATE_SUCCESS || state == v1::RUN_STATE_FAILED ||
         state == v1::RUN_STATE_CANCELLED;
}

bool IsTerminal(v1::TaskState state) {
  return state == v1::TASK_STATE_SUCCESS || state == v1::TASK_STATE_FAILED ||
         state == v1::TASK_STATE_SKIPPED || state == v1::TASK_STATE_UPSTREAM_FAILED ||
         state == v1::TASK_STATE_CANCELLED || state == v1::TASK_STATE_REMOVED;
}

v1::RunState ParseRunState(std::string_view name) {
  v1::RunState state = v1::RUN_STATE_UNSPECIFIED;
  v1::RunState_Parse(Constant(name, "RUN_STATE_"), &state);
  return state;
}

v1::TaskState ParseTaskState(std::string_view name) {
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
  v1::TaskState_Parse(Constant(name, "TASK_STATE_"), &state);
  return state;
}

}  // namespace penstock::client
