// Reading the canonical form.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/dag/graph.h"
#include "common/dag/scalars.h"
#include "common/dag/spec.h"
#include "common/dag/value.h"

namespace penstock::dag {
namespace {

using Type = Value::Type;

absl::Status Broken(std::string_view what) {
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    fmt::format("not a canonical DAG this build understands: {}", what));
}

// Takes members out of an object one by one; keeps the first error. Members that nobody asked for
// are an error too: they would be lost.
class Members {
 public:
  Members(const Value& value, std::string_view where) : where_(where) {
    if (value.type() == Type::kObject) {
      object_ = &value.as_object();
    } else {
      Fail("an object");
    }
  }
  bool Has(std::string_view key) const {
    return object_ != nullptr && object_->find(key) != object_->end();
  }
  const Value* Take(std::string_view key, Type type) {
    const auto found = object_ == nullptr ? Value::Object::const_iterator() : object_->find(key);
    if (object_ == nullptr || found == object_->end()) return nullptr;
    ++taken_;
    if (found->second.type() == type) return &found->second;
    Fail(key);
    return nullptr;
  }
  void Text(std::string_view key, std::string* out) {
    if (const Value* value = Take(key, Type::kString)) *out = value->as_string();
  }
  template <typename Int>
  void Number(std::string_view key, int64_t min, Int* out) {
    const Value* value = Take(key, Type::kInt);
    if (value == nullptr) return;
    if (value->as_int() < min || value->as_int() > std::numeric_limits<Int>::max()) Fail(key);
    *out = static_cast<Int>(value->as_int());
  }
  void Millis(std::string_view key, absl::Duration* out) {
    int64_t millis = absl::ToInt64Milliseconds(*out);
    Number(key, 0, &millis);
    *out = absl::Milliseconds(millis);
  }
  void Flag(std::string_view key, bool* out) {
    if (const Value* value = Take(key, Type::kBool)) *out = value->as_bool();
  }
  void Texts(std::string_view key, std::vector<std::string>* out) {
    const Value* value = Take(key, Type::kArray);
    if (value == nullptr) return;
    for (const Value& text : value->as_array()) {
      if (text.type() != Type::kString) return Fail(key);
      out->push_back(text.as_string());
    }
  }
  // fn(key, text) for each member of a map of texts, in the order of the keys.
  template <typename Fn>
  void Pairs(std::string_view key, Fn fn) {
    const Value* value = Take(key, Type::kObject);
    if (value == nullptr) return;
    for (const auto& [name, text] : value->as_object()) {
      if (text.type() != Type::kString) return Fail(key);
      fn(name, text.as_string());
    }
  }
  template <typename Enum>
  void Choice(std::string_view key, std::initializer_list<Enum> choices, Enum* out) {
    const Value* value = Take(key, Type::kString);
    if (value == nullptr) return;
    for (Enum choice : choices) {
      if (ToString(choice) != value->as_string()) continue;
      *out = choice;
      return;
    }
    Fail(key);
  }
  void Fail(std::string_view key) {
    if (error_.ok()) error_ = Broken(fmt::format("{}: {}", where_, key));
  }
  absl::Status Finish() {
    if (error_.ok() && taken_ != object_->size()) Fail("unknown members");
    return error_;
  }

 private:
  const std::string_view where_;
  const Value::Object* object_ = nullptr;
  size_t taken_ = 0;
  absl::Status error_;
};

absl::Status ReadRetries(const Value& value, Retries* out) {
  Members in(value, "retries");
  in.Millis("ceiling_ms", &out->ceiling);
  in.Millis("initial_ms", &out->initial);
  in.Flag("jitter", &out->jitter);
  in.Number("max", 0, &out->max);
  if (const Value* number = in.Take("multiplier", Type::kNumber)) {
    out->multiplier = number->as_number();
  }
  if (out->ceiling < out->initial || out->multiplier < 1) in.Fail("delays");
  return in.Finish();
}

absl::Status ReadResources(const Value& value, Resources* out) {
  Members in(value, "resources");
  in.Number("cpu_millis", 0, &out->cpu_millis);
  in.Number("memory_bytes", 0, &out->memory_bytes);
  if (const Value* custom = in.Take("custom", Type::kObject)) {
    for (const auto& [name, amount] : custom->as_object()) {
      if (amount.type() != Type::kInt || amount.as_int() < 1) return Broken("resources: custom");
      out->custom[name] = amount.as_int();
    }
  }
  return in.Finish();
}

absl::StatusOr<TaskSettings> ReadSettings(const Value& value) {
  TaskSettings out;
  Members in(value, "settings");
  in.Pairs("env", [&](const auto& name, const auto& text) { out.env.emplace_back(name, text); });
  in.Pairs("labels", [&](const auto& name, const auto& text) { out.labels[name] = text; });
  in.Text("pool", &out.pool);
  in.Number("pool_slots", 1, &out.pool_slots);
  in.Text("queue", &out.queue);
  if (const Value* resources = in.Take("resources", Type::kObject)) {
    PENSTOCK_RETURN_IF_ERROR(ReadResources(*resources, &out.resources));
  }
  if (const Value* retries = in.Take("retries", Type::kObject)) {
    PENSTOCK_RETURN_IF_ERROR(ReadRetries(*retries, &out.retries));
  }
  in.Text("shell", &out.shell);
  in.Number("skip_exit_code", 0, &out.skip_exit_code);
  in.Millis("timeout_ms", &out.timeout);
  in.Choice("weight_rule", {WeightRule::kDownstream, WeightRule::kUpstream, WeightRule::kAbsolute},
            &out.weight_rule);
  PENSTOCK_RETURN_IF_ERROR(in.Finish());
  return out;
}

absl::StatusOr<ParamSpec> ReadParam(const std::string& name, const Value& value) {
  ParamSpec out;
  out.name = name;
  if (value.type() != Type::kObject) return Broken("params");
  Members in(value, "params");
  const auto fallback = value.as_object().find("default");
  if (fallback != value.as_object().end()) {
    out.default_json = fallback->second.ToJson();
    in.Take("default", fallback->second.type());
  }
  in.Text("description", &out.description);
  if (const Value* choices = in.Take("enum", Type::kArray)) {
    for (const Value& choice : choices->as_array()) out.enum_json.push_back(choice.ToJson());
  }
  in.Flag("required", &out.required);
  in.Choice("type",
            {ParamType::kString, ParamType::kInteger, ParamType::kNumber, ParamType::kBoolean,
             ParamType::kObject, ParamType::kArray},
            &out.type);
  PENSTOCK_RETURN_IF_ERROR(in.Finish());
  return out;
}

absl::Status TakeKind(Members& in, TaskSpec* task) {
  const int verbs = int{in.Has("sh")} + int{in.Has("exec")} + int{in.Has("noop")};
  if (verbs != 1) return Broken(fmt::format("task {}: one of sh, exec, noop", task->id));
  if (in.Has("sh")) task->kind = TaskKind::kSh;
  if (in.Has("exec")) task->kind = TaskKind::kExec;
  in.Text("sh", &task->sh);
  in.Texts("exec", &task->exec);
  std::string place = "scheduler";
  in.Text("noop", &place);
  task->noop_on_worker = place == "worker";
  if (task->kind == TaskKind::kExec && task->exec.empty()) in.Fail("exec");
  if (!task->noop_on_worker && place != "scheduler") in.Fail("noop");
  return absl::OkStatus();
}

absl::Status ReadTask(const Value& value, const std::vector<SettingsRef>& settings, TaskSpec* task,
                      std::vector<std::string>* needs) {
  Members in(value, task->id);
  in.Text("description", &task->description);
  PENSTOCK_RETURN_IF_ERROR(TakeKind(in, task));
  in.Texts("needs", needs);
  in.Number("priority", 0, &task->priority);
  if (in.Has("settings")) {
    uint32_t number = 0;
    in.Number("settings", 0, &number);
    if (number >= settings.size()) return Broken(fmt::format("{}: settings", task->id));
    task->settings = settings[number];
  }
  if (const Value* rule = in.Take("trigger_rule", Type::kString)) {
    const auto parsed = ParseTriggerRule(rule->as_string());
    if (!parsed) in.Fail("trigger_rule");
    task->trigger_rule = parsed.value_or(TriggerRule::kAllSuccess);
  }
  return in.Finish();
}

absl::Status Link(const std::vector<std::vector<std::string>>& needs, DagSpec* dag) {
  absl::flat_hash_map<std::string_view, uint32_t> by_id;
  for (uint32_t i = 0; i < dag->tasks.size(); ++i) by_id.emplace(dag->tasks[i].id, i);
  for (size_t i = 0; i < needs.size(); ++i) {
    std::vector<uint32_t>& edges = dag->tasks[i].needs;
    for (const std::string& id : needs[i]) {
      const auto found = by_id.find(id);
      if (found == by_id.end()) return Broken(fmt::format("unknown upstream {}", ShownText(id)));
      edges.push_back(found->second);
    }
    std::sort(edges.begin(), edges.end());
    if (std::adjacent_find(edges.begin(), edges.end()) != edges.end()) {
      return Broken(fmt::format("{}: an upstream comes twice", dag->tasks[i].id));
    }
  }
  if (!SortTasks(&dag->tasks)) return Broken("there is a cycle");
  return absl::OkStatus();
}

absl::Status ReadTasks(const Value& tasks, const Value* settings_list, DagSpec* dag) {
  std::vector<SettingsRef> settings;
  if (settings_list != nullptr) {
    for (const Value& value : settings_list->as_array()) {
      PENSTOCK_ASSIGN_OR_RETURN(TaskSettings one, ReadSettings(value));
      settings.emplace_back(std::move(one));
    }
  }
  std::vector<std::vector<std::string>> needs;
  for (const auto& [id, value] : tasks.as_object()) {
    if (!IsId(id)) return Broken(fmt::format("task id {}", ShownText(id)));
    TaskSpec& task = dag->tasks.emplace_back();
    task.id = id;
    PENSTOCK_RETURN_IF_ERROR(ReadTask(value, settings, &task, &needs.emplace_back()));
  }
  return Link(needs, dag);
}

}  // namespace

absl::StatusOr<DagSpec> FromCanonicalJson(std::string_view json) {
  PENSTOCK_ASSIGN_OR_RETURN(const Value value, Value::FromJson(json));
  DagSpec dag;
  Members in(value, "dag");
  int32_t format = 0;
  in.Number("format", 1, &format);
  if (format != 1) return Broken("unknown format");
  in.Text("dag", &dag.dag);
  if (!IsId(dag.dag)) in.Fail("dag");
  in.Text("description", &dag.description);
  in.Texts("files", &dag.files);
  in.Pairs("labels", [&](const auto& name, const auto& text) { dag.labels[name] = text; });
  in.Number("max_active_runs", 1, &dag.max_active_runs);
  in.Number("max_active_tasks", 0, &dag.max_active_tasks);
  if (const Value* params = in.Take("params", Type::kObject)) {
    for (const auto& [name, param] : params->as_object()) {
      PENSTOCK_ASSIGN_OR_RETURN(ParamSpec one, ReadParam(name, param));
      dag.params.push_back(std::move(one));
    }
  }
  in.Millis("run_timeout_ms", &dag.run_timeout);
  const Value* settings = in.Take("settings", Type::kArray);
  const Value* tasks = in.Take("tasks", Type::kObject);
  PENSTOCK_RETURN_IF_ERROR(in.Finish());
  if (tasks == nullptr) return Broken("no tasks");
  PENSTOCK_RETURN_IF_ERROR(ReadTasks(*tasks, settings, &dag));
  return dag;
}

}  // namespace penstock::dag
