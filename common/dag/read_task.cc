// The keys of a task and of `defaults`.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/dag/draft.h"
#include "common/dag/expr.h"
#include "common/dag/read_settings.h"
#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

constexpr std::array<std::string_view, 2> kNoopPlaces = {"scheduler", "worker"};

void NoteTemplate(Reader& reader, const Node& node, TaskDraft& task) {
  if (!Template::HasExpression(node.text)) return;
  task.templates->push_back({task.position, &node, reader.Path()});
}

void TakeVerb(Reader& reader, const Node& value, std::string_view verb, TaskDraft& task) {
  if (!task.verb.empty()) {
    reader.Fail(value,
                fmt::format("a task does one thing, and this one has \"{}\" already", task.verb));
  }
  task.verb = verb;
}

void ReadDescription(Reader& reader, const Node& value, TaskDraft& task) {
  if (const auto text = reader.Text(value, reader.limits().max_description_bytes)) {
    task.spec.description = *text;
  }
}

void ReadSh(Reader& reader, const Node& value, TaskDraft& task) {
  TakeVerb(reader, value, "sh", task);
  task.spec.kind = TaskKind::kSh;
  const auto text = reader.Text(value, reader.limits().max_text_bytes);
  if (!text) return;
  if (text->find_first_not_of(" \t\n") == std::string_view::npos) {
    reader.Fail(value, "the script is empty");
  }
  task.spec.sh = *text;
  NoteTemplate(reader, value, task);
}

void ReadExec(Reader& reader, const Node& value, TaskDraft& task) {
  TakeVerb(reader, value, "exec", task);
  task.spec.kind = TaskKind::kExec;
  if (!reader.ExpectList(value, "a list: the program and its arguments")) return;
  if (value.size == 0) reader.Fail(value, "the program is missing");
  if (!reader.ExpectAtMost(value, value.size, reader.limits().max_exec_args, "arguments")) return;
  reader.tree().ForEach(value, [&](const Node& argument) {
    const std::string position = std::to_string(task.spec.exec.size());
    Reader::Scope scope(reader, position);
    const auto text = reader.Written(argument, reader.limits().max_text_bytes);
    if (text && text->empty() && task.spec.exec.empty()) {
      reader.Fail(argument, "the program is empty");
    }
    task.spec.exec.emplace_back(text.value_or(""));
    if (text) NoteTemplate(reader, argument, task);
  });
}

struct NoopDraft {
  bool on_worker = false;
};

constexpr std::array<Key<NoopDraft>, 1> kNoopKeys = {
    {{{"on", "`scheduler` or `worker`", "scheduler",
       "Where it completes. `worker` makes the whole trip without a process, for measuring.",
       R"({"enum":["scheduler","worker"]})"},
      [](Reader& reader, const Node& value, NoopDraft& noop) {
        if (const auto place = reader.Choice(value, kNoopPlaces, "a place")) {
          noop.on_worker = *place == 1;
        }
      }}}};

void ReadNoop(Reader& reader, const Node& value, TaskDraft& task) {
  TakeVerb(reader, value, "noop", task);
  task.spec.kind = TaskKind::kNoop;
  if (value.kind == NodeKind::kNull) return;
  if (!reader.ExpectMap(value, "nothing or a map")) return;
  NoopDraft noop;
  ReadKeys<NoopDraft>(reader, value, kNoopKeys, {}, noop);
  task.spec.noop_on_worker = noop.on_worker;
}

void ReadNeeds(Reader&, const Node& value, TaskDraft& task) { task.needs = &value; }

void ReadTriggerRule(Reader& reader, const Node& value, TaskDraft& task) {
  if (value.text == "all_done_setup_success" && value.kind == NodeKind::kString) {
    reader.Fail(value, "\"all_done_setup_success\" is not supported yet");
    return;
  }
  const auto rule = reader.Choice(value, TriggerRuleNames(), "a trigger rule");
  if (rule) task.spec.trigger_rule = static_cast<TriggerRule>(*rule);
}

void ReadPriority(Reader& reader, const Node& value, TaskDraft& task) {
  const auto priority = reader.Int(value, 0, reader.limits().max_priority);
  if (priority) task.spec.priority = *priority;
}

void ReadEnvEntry(Reader& reader, const Node& key, const Node& value, TaskDraft& task) {
  Reader::Scope scope(reader, key.text);
  if (!IsName(key.text) || key.text.size() > reader.limits().max_id_bytes) {
    reader.Fail(key, "a variable's name is letters, digits and _, not starting with a digit");
  } else if (key.text.starts_with("PENSTOCK_")) {
    reader.Fail(key, "names that start with PENSTOCK_ are set by Penstock");
  }
  const auto text = reader.Written(value, reader.limits().max_text_bytes);
  if (!text) return;
  NoteTemplate(reader, value, task);
  auto& env = task.Edit().env;
  const auto at = std::lower_bound(env.begin(), env.end(), key.text,
                                   [](const auto& pair, auto name) { return pair.first < name; });
  if (at != env.end() && at->first == key.text) {
    at->second = *text;
  } else {
    env.emplace(at, key.text, *text);
  }
}

void ReadEnv(Reader& reader, const Node& value, TaskDraft& task) {
  if (!reader.ExpectMap(value)) return;
  const size_t max = reader.limits().max_env_entries;
  if (!reader.ExpectAtMost(value, value.size, max, "variables")) return;
  reader.tree().ForEachEntry(
      value, [&](const Node& key, const Node& text) { ReadEnvEntry(reader, key, text, task); });
  reader.ExpectAtMost(value, task.settings().env.size(), max, "variables with the defaults");
}

void ReadTaskLabels(Reader& reader, const Node& value, TaskDraft& task) {
  const auto labels = reader.Labels(value);
  if (!labels) return;
  auto& merged = task.Edit().labels;
  for (const auto& [key, text] : *labels) merged[key] = text;
  reader.ExpectAtMost(value, merged.size(), reader.limits().max_labels, "labels with the defaults");
}

// A reader of a key that only concerns the settings.
template <void (*kRead)(Reader&, const Node&, TaskSettings&)>
void ForSettings(Reader& reader, const Node& value, TaskDraft& task) {
  kRead(reader, value, task.Edit());
}

constexpr std::array<Key<TaskDraft>, 17> kTaskKeys = {{
    {{"description", "text", "", "For people.", R"({"type":"string"})"}, ReadDescription},
    {{"sh", "text", "", "A script for the shell; `${{ }}` is replaced as written, without quoting.",
      R"({"type":"string","minLength":1})"},
     ReadSh},
    {{"exec", "list of texts", "",
      "A program and its arguments, started without a shell; `${{ }}` allowed.",
      R"({"type":"array","minItems":1,"items":{"$ref":"#/$defs/scalar"}})"},
     ReadExec},
    {{"noop", "nothing or map", "", "Does nothing; completes in the scheduler.",
      R"({"oneOf":[{"type":"null"},{"$ref":"#/$defs/noop"}]})"},
     ReadNoop},
    {{"needs", "id or list of ids", "[]", "The tasks this one waits for.",
      R"({"oneOf":[{"$ref":"#/$defs/id"},{"type":"array","items":{"$ref":"#/$defs/id"}}]})"},
     ReadNeeds},
    {{"trigger_rule", "name of a rule", "all_success",
      "What the upstream tasks must have come to before this one may run.",
      R"({"$ref":"#/$defs/trigger_rule"})"},
     ReadTriggerRule,
     true},
    {{"env", "map of texts", "{}",
      "Environment variables; numbers and booleans are taken as written, `${{ }}` allowed. A "
      "task's are added to those of `defaults`.",
      R"({"$ref":"#/$defs/env"})"},
     ReadEnv,
     true},
    {{"shell", "text", "/bin/sh -e", "The shell of `sh`: program and options, split at blanks.",
      R"({"type":"string","minLength":1})"},
     ForSettings<ReadShell>,
     true},
    {{"queue", "name", "default", "The queue whose workers may take it.",
      R"({"$ref":"#/$defs/id"})"},
     ForSettings<ReadQueue>,
     true},
    {{"pool", "name or map", "",
      "The pool whose slots it takes while it runs; null = none, whatever `defaults` say.",
      R"({"oneOf":[{"type":"null"},{"$ref":"#/$defs/id"},{"$ref":"#/$defs/pool"}]})"},
     ForSettings<ReadPool>,
     true},
    {{"priority", "integer", "1", "Its own share of the weight, 0 to 10000.",
      R"({"type":"integer","minimum":0,"maximum":10000})"},
     ReadPriority,
     true},
    {{"weight_rule", "`downstream`, `upstream` or `absolute`", "downstream",
      "The weight is the own priority plus that of all descendants, of all ancestors, or alone.",
      R"({"enum":["downstream","upstream","absolute"]})"},
     ForSettings<ReadWeightRule>,
     true},
    {{"retries", "integer or map", "0",
      "How often it is tried again; an integer n is `{max: n}`. A task's replaces that of "
      "`defaults` as a whole.",
      R"({"oneOf":[{"type":"integer","minimum":0,"maximum":1000},{"$ref":"#/$defs/retries"}]})"},
     ForSettings<ReadRetries>,
     true},
    {{"timeout", "duration", "0s", "Longest run of one attempt; 0s = no limit.",
      R"({"$ref":"#/$defs/duration"})"},
     ForSettings<ReadTimeout>,
     true},
    {{"resources", "map", "{}",
      "What an attempt asks of its worker. A task's keys are added to those of `defaults`.",
      R"({"$ref":"#/$defs/resources"})"},
     ForSettings<ReadResources>,
     true},
    {{"labels", "map of texts", "{}",
      "Labels the worker must have. A task's are added to those of `defaults`.",
      R"({"$ref":"#/$defs/labels"})"},
     ReadTaskLabels,
     true},
    {{"skip_exit_code", "integer", "99", "The exit code that means \"skipped\"; 0 = none does.",
      R"({"type":"integer","minimum":0,"maximum":255})"},
     ForSettings<ReadSkipExitCode>,
     true},
}};

constexpr std::array<std::string_view, 37> kLaterKeys = {"approve",
                                                         "assets",
                                                         "branch",
                                                         "concurrency_key",
                                                         "connection",
                                                         "dag",
                                                         "deadline",
                                                         "depends_on_past",
                                                         "docker",
                                                         "each",
                                                         "foreach",
                                                         "group",
                                                         "http",
                                                         "image",
                                                         "inlets",
                                                         "k8s",
                                                         "map",
                                                         "max_active",
                                                         "max_parallel",
                                                         "on_failure",
                                                         "on_retry",
                                                         "on_success",
                                                         "outlets",
                                                         "outputs",
                                                         "py",
                                                         "queue_timeout",
                                                         "rate_limit",
                                                         "secrets",
                                                         "sensor",
                                                         "setup",
                                                         "sql",
                                                         "tasks",
                                                         "teardown",
                                                         "wait",
                                                         "wait_for_downstream",
                                                         "when",
                                                         "with"};

}  // namespace

std::span<const Key<TaskDraft>> TaskKeys() { return kTaskKeys; }
std::span<const std::string_view> LaterTaskKeys() { return kLaterKeys; }

std::vector<KeyTable> TaskKeyTables() {
  KeyTable defaults{"defaults", "Keys of `defaults`", {}, {}};
  for (const Key<TaskDraft>& key : kTaskKeys) {
    if (key.in_defaults) defaults.keys.push_back(key.doc);
  }
  std::vector<KeyTable> tables;
  tables.push_back({"task", "Keys of a task", DocsOf<TaskDraft>(kTaskKeys), {}});
  tables.push_back(std::move(defaults));
  tables.push_back({"noop", "Keys of `noop`", DocsOf<NoopDraft>(kNoopKeys), {}});
  for (KeyTable& table : SettingsKeyTables()) tables.push_back(std::move(table));
  return tables;
}

}  // namespace penstock::dag
