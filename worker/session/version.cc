#include "worker/session/version.h"

#include <fmt/format.h>

#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"

namespace penstock::worker {

namespace {

using MaybeTemplate = std::optional<dag::Template>;

absl::StatusOr<MaybeTemplate> CompileText(std::string_view text) {
  if (!dag::Template::HasExpression(text)) return MaybeTemplate();
  PENSTOCK_ASSIGN_OR_RETURN(dag::Template compiled, dag::Template::Compile(text));
  return MaybeTemplate(std::move(compiled));
}

absl::StatusOr<std::string> RenderText(const MaybeTemplate& compiled, const std::string& text,
                                       const dag::Context& context) {
  if (!compiled) return text;
  return compiled->Render(context);
}

std::vector<std::string> SplitAtBlanks(std::string_view text) {
  std::vector<std::string> words;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t word = text.find_first_not_of(" \t", begin);
    if (word == std::string_view::npos) break;
    const size_t end = std::min(text.find_first_of(" \t", word), text.size());
    words.emplace_back(text.substr(word, end - word));
    begin = end;
  }
  return words;
}

// The value of JSON text that must be an object; "" = an empty one.
absl::StatusOr<dag::Value> ObjectOf(std::string_view json, std::string_view what) {
  if (json.empty()) return dag::Value::Map({});
  auto value = dag::Value::FromJson(json);
  if (!value.ok()) return Annotate(value.status(), what);
  if (value->type() != dag::Value::Type::kObject) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, fmt::format("{}: not an object", what));
  }
  return value;
}

std::shared_ptr<const Demand> DemandOf(const dag::Resources& resources) {
  Demand demand;
  demand.cpu_millis = resources.cpu_millis;
  demand.memory_bytes = resources.memory_bytes;
  demand.custom.assign(resources.custom.begin(), resources.custom.end());
  return std::make_shared<const Demand>(std::move(demand));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Version>> Version::Make(VersionId id,
                                                             std::string namespace_name,
                                                             std::string_view canonical_json,
                                                             std::string bundle_hash) {
  PENSTOCK_ASSIGN_OR_RETURN(dag::DagSpec dag, dag::FromCanonicalJson(canonical_json));
  const size_t bytes = 4 * canonical_json.size() + sizeof(dag::TaskSpec) * dag.tasks.size();
  return std::shared_ptr<const Version>(
      new Version(id, std::move(namespace_name), std::move(dag), std::move(bundle_hash), bytes));
}

Version::Version(VersionId id, std::string namespace_name, dag::DagSpec dag,
                 std::string bundle_hash, size_t bytes)
    : id_(id),
      namespace_name_(std::move(namespace_name)),
      dag_(std::move(dag)),
      bundle_hash_(std::move(bundle_hash)),
      bytes_(bytes) {
  for (const dag::TaskSpec& task : dag_.tasks) {
    auto& demand = demands_[task.settings.get()];
    if (demand == nullptr) demand = DemandOf(task.settings->resources);
  }
}

const dag::TaskSpec* Version::task(uint32_t index) const {
  return index < dag_.tasks.size() ? &dag_.tasks[index] : nullptr;
}

std::shared_ptr<const Demand> Version::demand(uint32_t index) const {
  return demands_.find(dag_.tasks[index].settings.get())->second;
}

absl::StatusOr<Version::Templates> Version::Compile(const dag::TaskSpec& task) {
  Templates templates;
  PENSTOCK_ASSIGN_OR_RETURN(templates.sh, CompileText(task.sh));
  templates.any = templates.sh.has_value();
  for (const std::string& argument : task.exec) {
    PENSTOCK_ASSIGN_OR_RETURN(MaybeTemplate compiled, CompileText(argument));
    templates.any |= compiled.has_value();
    templates.exec.push_back(std::move(compiled));
  }
  for (const auto& [name, text] : task.settings->env) {
    PENSTOCK_ASSIGN_OR_RETURN(MaybeTemplate compiled, CompileText(text));
    templates.any |= compiled.has_value();
    templates.env.push_back(std::move(compiled));
  }
  return templates;
}

absl::StatusOr<std::shared_ptr<const Version::Templates>> Version::TemplatesOf(
    uint32_t task) const {
  {
    MutexLock lock(&mu_);
    const auto it = templates_.find(task);
    if (it != templates_.end()) return it->second;
  }
  PENSTOCK_ASSIGN_OR_RETURN(Templates compiled, Compile(dag_.tasks[task]));
  auto shared = std::make_shared<const Templates>(std::move(compiled));
  if (!shared->any) return shared;  // cheap to make again
  MutexLock lock(&mu_);
  return templates_.try_emplace(task, std::move(shared)).first->second;
}

absl::StatusOr<dag::Context> Version::MakeContext(const AttemptKey& key,
                                                  const RunFacts& facts) const {
  dag::Context context;
  context.run_id = fmt::format("{}", key.run.value());
  context.run_key = RunKeyOf(key.run, facts);
  if (facts.logical_date_us != 0) context.logical_date = FormatLogicalDate(facts.logical_date_us);
  PENSTOCK_ASSIGN_OR_RETURN(context.params, ObjectOf(facts.params_json, "parameters of the run"));
  for (const auto& [index, json] : facts.outputs) {
    const dag::TaskSpec* upstream = task(index);
    if (upstream == nullptr) continue;
    PENSTOCK_ASSIGN_OR_RETURN(context.outputs[upstream->id],
                              ObjectOf(json, fmt::format("output of task {}", upstream->id)));
  }
  context.namespace_name = namespace_name_;
  context.dag = dag_.dag;
  context.attempt = key.attempt;
  return context;
}

absl::StatusOr<RenderedTask> Version::Render(const AttemptKey& key, const RunFacts& facts) const {
  const dag::TaskSpec& spec = dag_.tasks[key.task];
  PENSTOCK_ASSIGN_OR_RETURN(const auto templates, TemplatesOf(key.task));
  dag::Context context;
  if (templates->any) {
    PENSTOCK_ASSIGN_OR_RETURN(context, MakeContext(key, facts));
  }
  RenderedTask rendered;
  for (size_t i = 0; i < spec.settings->env.size(); ++i) {
    const auto& [name, text] = spec.settings->env[i];
    auto value = RenderText(templates->env[i], text, context);
    if (!value.ok()) return Annotate(value.status(), fmt::format("env {}", name));
    rendered.env.emplace_back(name, *std::move(value));
  }
  if (spec.kind == dag::TaskKind::kSh) {
    auto script = RenderText(templates->sh, spec.sh, context);
    if (!script.ok()) return Annotate(script.status(), "sh");
    rendered.argv = SplitAtBlanks(spec.settings->shell);
    rendered.argv.emplace_back("-c");
    rendered.argv.push_back(*std::move(script));
    return rendered;
  }
  for (size_t i = 0; i < spec.exec.size(); ++i) {
    auto argument = RenderText(templates->exec[i], spec.exec[i], context);
    if (!argument.ok()) return Annotate(argument.status(), fmt::format("exec[{}]", i));
    rendered.argv.push_back(*std::move(argument));
  }
  return rendered;
}

std::string FormatLogicalDate(int64_t us) {
  if (us == 0) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMicros(us), absl::UTCTimeZone());
}

std::string RunKeyOf(RunId run, const RunFacts& facts) {
  return facts.run_key.empty() ? fmt::format("run-{}", run.value()) : facts.run_key;
}

}  // namespace penstock::worker
