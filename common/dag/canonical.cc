// Writing the canonical form, and names of versions. docs/dag-file.md describes the form; the
// reader is from_canonical.cc.
#include "common/dag/canonical.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "common/dag/json_text.h"

namespace penstock::dag {
namespace {

// Writes members of an object that differ from what a reader assumes.
class Differences {
 public:
  explicit Differences(std::string* out) : object_(out) {}
  void Text(std::string_view key, std::string_view value, std::string_view assumed) {
    if (value != assumed) object_.Text(key, value);
  }
  void Int(std::string_view key, int64_t value, int64_t assumed) {
    if (value != assumed) object_.Raw(key, std::to_string(value));
  }
  void Millis(std::string_view key, absl::Duration value, absl::Duration assumed) {
    Int(key, absl::ToInt64Milliseconds(value), absl::ToInt64Milliseconds(assumed));
  }
  template <typename Pairs>
  void Texts(std::string_view key, const Pairs& pairs) {
    if (pairs.empty()) return;
    ObjectWriter map(object_.Key(key));
    for (const auto& [name, text] : pairs) map.Text(name, text);
  }
  ObjectWriter& object() { return object_; }

 private:
  ObjectWriter object_;
};

template <typename Texts>
void AppendTexts(std::string* out, const Texts& texts) {
  ListWriter list(out);
  for (const auto& text : texts) AppendQuoted(list.Next(), text);
}

void WriteResources(const Resources& resources, ObjectWriter& parent) {
  if (resources == Resources{}) return;
  Differences out(parent.Key("resources"));
  out.Int("cpu_millis", resources.cpu_millis, 0);
  if (!resources.custom.empty()) {
    ObjectWriter custom(out.object().Key("custom"));
    for (const auto& [name, amount] : resources.custom) custom.Raw(name, std::to_string(amount));
  }
  out.Int("memory_bytes", resources.memory_bytes, 0);
}

void WriteRetries(const Retries& retries, ObjectWriter& parent) {
  const Retries assumed;
  if (retries == assumed) return;
  Differences out(parent.Key("retries"));
  out.Millis("ceiling_ms", retries.ceiling, assumed.ceiling);
  out.Millis("initial_ms", retries.initial, assumed.initial);
  if (retries.jitter) out.object().Raw("jitter", "true");
  out.Int("max", retries.max, assumed.max);
  if (retries.multiplier != assumed.multiplier) {
    AppendNumber(out.object().Key("multiplier"), retries.multiplier);
  }
}

// Numbers the distinct settings of a DAG by their texts; the built-in defaults have no number.
class SettingsTable {
 public:
  explicit SettingsTable(const std::vector<TaskSpec>& tasks) {
    for (const TaskSpec& task : tasks) {
      const auto [at, is_new] = text_of_.try_emplace(task.settings.get(), nullptr);
      if (!is_new) continue;
      at->second = &*numbers_.try_emplace(SettingsJson(*task.settings), 0).first;
    }
    numbers_.erase("{}");
    size_t next = 0;
    for (auto& [text, number] : numbers_) number = next++;
  }
  void Write(std::string* out) const {
    ListWriter list(out);
    for (const auto& [text, number] : numbers_) list.Next()->append(text);
  }
  bool empty() const { return numbers_.empty(); }
  // -1: the built-in defaults.
  int64_t NumberOf(const TaskSettings* settings) const {
    if (*settings == TaskSettings{}) return -1;
    return static_cast<int64_t>(text_of_.at(settings)->second);
  }

 private:
  std::map<std::string, size_t> numbers_;
  absl::flat_hash_map<const TaskSettings*, const std::pair<const std::string, size_t>*> text_of_;
};

void WriteTask(const TaskSpec& task, const std::vector<TaskSpec>& tasks, int64_t settings,
               std::string* text) {
  Differences out(text);
  out.Text("description", task.description, "");
  if (task.kind == TaskKind::kExec) AppendTexts(out.object().Key("exec"), task.exec);
  if (!task.needs.empty()) {
    std::vector<std::string_view> ids;
    ids.reserve(task.needs.size());
    for (uint32_t up : task.needs) ids.push_back(tasks[up].id);
    std::sort(ids.begin(), ids.end());
    AppendTexts(out.object().Key("needs"), ids);
  }
  if (task.kind == TaskKind::kNoop) {
    out.object().Text("noop", task.noop_on_worker ? "worker" : "scheduler");
  }
  out.Int("priority", task.priority, 1);
  out.Int("settings", settings, -1);
  if (task.kind == TaskKind::kSh) out.object().Text("sh", task.sh);
  out.Text("trigger_rule", ToString(task.trigger_rule), ToString(TriggerRule::kAllSuccess));
}

void WriteParam(const ParamSpec& param, std::string* text) {
  Differences out(text);
  if (!param.default_json.empty()) out.object().Raw("default", param.default_json);
  out.Text("description", param.description, "");
  if (!param.enum_json.empty()) {
    ListWriter list(out.object().Key("enum"));
    for (const std::string& value : param.enum_json) list.Next()->append(value);
  }
  if (param.required) out.object().Raw("required", "true");
  out.object().Text("type", ToString(param.type));
}

void WriteTasks(const std::vector<TaskSpec>& tasks, const SettingsTable& settings,
                std::string* text) {
  std::vector<const TaskSpec*> by_id;
  by_id.reserve(tasks.size());
  for (const TaskSpec& task : tasks) by_id.push_back(&task);
  std::sort(by_id.begin(), by_id.end(),
            [](const TaskSpec* a, const TaskSpec* b) { return a->id < b->id; });
  ObjectWriter out(text);
  for (const TaskSpec* task : by_id) {
    WriteTask(*task, tasks, settings.NumberOf(task->settings.get()), out.Key(task->id));
  }
}

}  // namespace

std::string SettingsJson(const TaskSettings& settings) {
  const TaskSettings assumed;
  std::string text;
  {
    Differences out(&text);
    out.Texts("env", settings.env);
    out.Texts("labels", settings.labels);
    out.Text("pool", settings.pool, assumed.pool);
    out.Int("pool_slots", settings.pool_slots, assumed.pool_slots);
    out.Text("queue", settings.queue, assumed.queue);
    WriteResources(settings.resources, out.object());
    WriteRetries(settings.retries, out.object());
    out.Text("shell", settings.shell, assumed.shell);
    out.Int("skip_exit_code", settings.skip_exit_code, assumed.skip_exit_code);
    out.Millis("timeout_ms", settings.timeout, assumed.timeout);
    out.Text("weight_rule", ToString(settings.weight_rule), ToString(assumed.weight_rule));
  }
  return text;
}

std::string CanonicalJson(const DagSpec& dag) {
  const DagSpec assumed;
  const SettingsTable settings(dag.tasks);
  std::string text;
  {
    Differences out(&text);
    out.object().Text("dag", dag.dag);
    out.Text("description", dag.description, "");
    if (!dag.files.empty()) AppendTexts(out.object().Key("files"), dag.files);
    out.object().Raw("format", "1");
    out.Texts("labels", dag.labels);
    out.Int("max_active_runs", dag.max_active_runs, assumed.max_active_runs);
    out.Int("max_active_tasks", dag.max_active_tasks, assumed.max_active_tasks);
    if (!dag.params.empty()) {
      ObjectWriter params(out.object().Key("params"));
      for (const ParamSpec& param : dag.params) WriteParam(param, params.Key(param.name));
    }
    out.Millis("run_timeout_ms", dag.run_timeout, assumed.run_timeout);
    if (!settings.empty()) settings.Write(out.object().Key("settings"));
    WriteTasks(dag.tasks, settings, out.object().Key("tasks"));
  }
  return text;
}

std::string VersionHash(std::string_view canonical, std::string_view bundle_hash) {
  const std::string header =
      fmt::format("penstock-dag-version 1 {} {}\n", canonical.size(), bundle_hash.size());
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (std::string_view part : {std::string_view(header), canonical, bundle_hash}) {
    crypto_hash_sha256_update(&state, reinterpret_cast<const unsigned char*>(part.data()),
                              part.size());
  }
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256_final(&state, digest.data());
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

}  // namespace penstock::dag
