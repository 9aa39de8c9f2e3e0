// What is in force for a DAG, spelled out as a DAG file that means the same.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "client/cli/dag_file.h"
#include "client/cli/yaml.h"

namespace penstock::client {
namespace {

using Json = nlohmann::ordered_json;

// In the notation of DAG files: "1h30m", "250ms", "0s".
std::string DurationText(absl::Duration duration) {
  struct Unit {
    std::string_view name;
    int64_t millis;
  };
  constexpr Unit kUnits[] = {
      {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};
  int64_t left = absl::ToInt64Milliseconds(duration);
  std::string text;
  for (const Unit& unit : kUnits) {
    if (left >= unit.millis) text += fmt::format("{}{}", left / unit.millis, unit.name);
    left %= unit.millis;
  }
  return text.empty() ? "0s" : text;
}

template <typename Pairs>
Json Map(const Pairs& pairs) {
  Json map = Json::object();
  for (const auto& [name, value] : pairs) map[name] = value;
  return map;
}

// The texts are JSON by contract.
Json Value(const std::string& json) { return Json::parse(json, nullptr, false); }

Json ToJson(const dag::ParamSpec& param) {
  Json json = {{"type", dag::ToString(param.type)}};
  if (!param.description.empty()) json["description"] = param.description;
  for (const std::string& value : param.enum_json) json["enum"].push_back(Value(value));
  if (!param.default_json.empty()) {
    json["default"] = Value(param.default_json);
  } else {
    json["required"] = param.required;
  }
  return json;
}

Json ToJson(const dag::Retries& retries) {
  Json json = {{"max", retries.max}};
  const bool fixed = retries.initial == retries.ceiling && !retries.jitter &&
                     retries.multiplier == dag::Retries().multiplier;
  if (fixed) {
    json["delay"] = DurationText(retries.initial);
    return json;
  }
  json["backoff"] =
      fmt::format("{}..{}", DurationText(retries.initial), DurationText(retries.ceiling));
  json["multiplier"] = retries.multiplier;
  json["jitter"] = retries.jitter;
  return json;
}

Json ToJson(const dag::Resources& resources) {
  Json json = {{"cpu", fmt::format("{}m", resources.cpu_millis)},
               {"memory", resources.memory_bytes}};
  if (!resources.custom.empty()) json["custom"] = Map(resources.custom);
  return json;
}

void AddVerb(const dag::TaskSpec& task, Json* json) {
  switch (task.kind) {
    case dag::TaskKind::kSh:
      (*json)["sh"] = task.sh;
      (*json)["shell"] = task.settings->shell;
      break;
    case dag::TaskKind::kExec:
      (*json)["exec"] = task.exec;
      break;
    case dag::TaskKind::kNoop:
      (*json)["noop"] = {{"on", task.noop_on_worker ? "worker" : "scheduler"}};
      break;
  }
}

Json ToJson(const dag::TaskSpec& task, const std::vector<dag::TaskSpec>& tasks) {
  const dag::TaskSettings& settings = *task.settings;
  Json json = Json::object();
  if (!task.description.empty()) json["description"] = task.description;
  json["needs"] = Json::array();
  for (const uint32_t upstream : task.needs) json["needs"].push_back(tasks[upstream].id);
  json["trigger_rule"] = dag::ToString(task.trigger_rule);
  AddVerb(task, &json);
  json["env"] = Map(settings.env);
  json["queue"] = settings.queue;
  json["pool"] = settings.pool.empty()
                     ? Json(nullptr)
                     : Json{{"name", settings.pool}, {"slots", settings.pool_slots}};
  json["priority"] = task.priority;
  json["weight_rule"] = dag::ToString(settings.weight_rule);
  json["retries"] = ToJson(settings.retries);
  json["timeout"] = DurationText(settings.timeout);
  json["resources"] = ToJson(settings.resources);
  json["labels"] = Map(settings.labels);
  json["skip_exit_code"] = settings.skip_exit_code;
  return json;
}

Json ToJson(const dag::DagSpec& spec) {
  Json json = {{"dag", spec.dag}};
  if (!spec.description.empty()) json["description"] = spec.description;
  json["max_active_runs"] = spec.max_active_runs;
  json["max_active_tasks"] = spec.max_active_tasks;
  json["run_timeout"] = DurationText(spec.run_timeout);
  json["labels"] = Map(spec.labels);
  json["files"] = spec.files;
  json["params"] = Json::object();
  for (const dag::ParamSpec& param : spec.params) json["params"][param.name] = ToJson(param);
  // Appended as it is: looking each id up first would cost the square of their number.
  Json::object_t tasks;
  for (const dag::TaskSpec& task : spec.tasks) {
    tasks.emplace_back(task.id, ToJson(task, spec.tasks));
  }
  json["tasks"] = std::move(tasks);
  return json;
}

}  // namespace

std::string EffectiveJson(const dag::DagSpec& dag) {
  return ToJson(dag).dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string EffectiveYaml(const dag::DagSpec& dag) { return ToYaml(ToJson(dag)); }

}  // namespace penstock::client
