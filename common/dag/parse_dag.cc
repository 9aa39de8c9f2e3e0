// Reading a DAG file: the top level, the tasks, their edges.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/dag/canonical.h"
#include "common/dag/draft.h"
#include "common/dag/graph.h"
#include "common/dag/scalars.h"
#include "common/dag/template_check.h"

namespace penstock::dag {
namespace {

// Copying inherited settings counts less than keeping them: equal ones are kept once.
constexpr size_t kCopiesPerKept = 8;

struct DagDraft {
  DagSpec spec;
  const Node* dag = nullptr;
  const Node* defaults = nullptr;
  const Node* tasks = nullptr;
};

bool IsFilePattern(std::string_view text) {
  if (text.empty() || text[0] == '/' || text.find('\\') != std::string_view::npos) return false;
  while (!text.empty()) {
    const size_t slash = text.find('/');
    const std::string_view part = text.substr(0, slash);
    if (part == ".." || part.empty()) return false;
    text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
  }
  return true;
}

void ReadFiles(Reader& reader, const Node& value, DagDraft& dag) {
  if (!reader.ExpectList(value, "a list of file patterns")) return;
  if (!reader.ExpectAtMost(value, value.size, reader.limits().max_files, "patterns")) return;
  std::vector<std::string>& files = dag.spec.files;
  reader.tree().ForEach(value, [&](const Node& pattern) {
    const auto text = reader.Text(pattern, reader.limits().max_description_bytes);
    if (!text) return;
    if (!IsFilePattern(*text)) {
      reader.Fail(pattern, fmt::format("\"{}\" must be relative to the DAG file, with / between "
                                       "names and without ..",
                                       ShownText(*text)));
    }
    files.emplace_back(*text);
  });
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
}

constexpr std::array<Key<DagDraft>, 10> kDagKeys = {{
    {{"dag", "id", "", "The DAG's id.", R"({"$ref":"#/$defs/id"})"},
     [](Reader& reader, const Node& value, DagDraft& dag) {
       dag.dag = &value;
       dag.spec.dag = reader.Id(value, "an id").value_or("");
     }},
    {{"description", "text", "", "For people.", R"({"type":"string"})"},
     [](Reader& reader, const Node& value, DagDraft& dag) {
       const auto text = reader.Text(value, reader.limits().max_description_bytes);
       if (text) dag.spec.description = *text;
     }},
    {{"params", "map of parameters", "{}",
      "What a run may be given. A parameter is a map, or its default alone.",
      R"({"type":"object","propertyNames":{"$ref":"#/$defs/name"},"additionalProperties":)"
      R"({"oneOf":[{"type":["string","number","boolean"]},{"$ref":"#/$defs/param"}]}})"},
     [](Reader& reader, const Node& value, DagDraft& dag) {
       dag.spec.params = ReadParams(reader, value);
     }},
    {{"defaults", "map", "{}", "What tasks have that say nothing else.",
      R"({"$ref":"#/$defs/defaults"})"},
     [](Reader&, const Node& value, DagDraft& dag) { dag.defaults = &value; }},
    {{"tasks", "map of tasks", "", "The tasks by id, in any order; at least one.",
      R"({"type":"object","minProperties":1,"propertyNames":{"$ref":"#/$defs/id"},)"
      R"("additionalProperties":{"$ref":"#/$defs/task"}})"},
     [](Reader&, const Node& value, DagDraft& dag) { dag.tasks = &value; }},
    {{"files", "list of patterns", "[]",
      "Files beside the DAG file that travel with the version; `*`, `?` and `**` allowed.",
      R"({"type":"array","items":{"type":"string","minLength":1}})"},
     ReadFiles},
    {{"max_active_runs", "integer", "16", "Runs of this DAG at one time, at least 1.",
      R"({"type":"integer","minimum":1})"},
     [](Reader& reader, const Node& value, DagDraft& dag) {
       const auto n = reader.Int(value, 1, reader.limits().max_active);
       if (n) dag.spec.max_active_runs = *n;
     }},
    {{"max_active_tasks", "integer", "0", "Tasks of one run at one time; 0 = no limit.",
      R"({"type":"integer","minimum":0})"},
     [](Reader& reader, const Node& value, DagDraft& dag) {
       const auto n = reader.Int(value, 0, reader.limits().max_active);
       if (n) dag.spec.max_active_tasks = *n;
     }},
    {{"run_timeout", "duration", "0s", "Longest run; 0s = no limit.",
      R"({"$ref":"#/$defs/duration"})"},
     [](Reader& reader, const Node& value, DagDraft& dag) {
       if (const auto timeout = reader.Duration(value)) dag.spec.run_timeout = *timeout;
     }},
    {{"labels", "map of texts", "{}", "For people and searches.", R"({"$ref":"#/$defs/labels"})"},
     [](Reader& reader, const Node& value, DagDraft& dag) {
       if (auto labels = reader.Labels(value)) dag.spec.labels = *std::move(labels);
     }},
}};

constexpr std::array<std::string_view, 23> kLaterKeys = {
    "asset",      "assets",   "backfill",     "catchup",   "connections", "deadline",
    "each",       "include",  "max_parallel", "namespace", "notify",      "on_failure",
    "on_success", "outputs",  "overlap",      "owner",     "policy",      "schedule",
    "secrets",    "teardown", "timetable",    "timezone",  "vars"};

class DagReader {
 public:
  DagReader(const YamlTree& tree, const Limits& limits, Problems* problems)
      : tree_(tree), limits_(limits), problems_(*problems), reader_(tree, limits, problems) {}

  // Meaningful only when no problem was added.
  DagSpec Read() {
    if (!reader_.ExpectMap(tree_.root(), "a map with `dag` and `tasks`")) return {};
    ReadKeys<DagDraft>(reader_, tree_.root(), kDagKeys, kLaterKeys, dag_);
    if (dag_.dag == nullptr) reader_.Fail(tree_.root(), "\"dag\" is missing: the DAG's id");
    ReadDefaults();
    if (ReadTasks()) {
      Connect();
      Order();
    }
    return std::move(dag_.spec);
  }

 private:
  void ReadDefaults() {
    defaults_.base = built_in_.get();
    defaults_.templates = &templates_;
    if (dag_.defaults != nullptr && dag_.defaults->kind != NodeKind::kNull) {
      Reader::Scope scope(reader_, "defaults");
      if (reader_.ExpectMap(*dag_.defaults)) {
        ReadKeys<TaskDraft>(
            reader_, *dag_.defaults, TaskKeys(), LaterTaskKeys(),
            [](const Key<TaskDraft>& key) { return key.in_defaults; }, defaults_);
      }
    }
    shared_ = SettingsRef(defaults_.settings());
    known_.emplace(SettingsJson(*shared_), shared_);
  }

  // false: there is no use in looking at edges.
  bool ReadTasks() {
    if (dag_.tasks == nullptr) {
      reader_.Fail(tree_.root(), "\"tasks\" is missing: a map of tasks by id");
      return false;
    }
    Reader::Scope scope(reader_, "tasks");
    const Node& node = *dag_.tasks;
    if (!reader_.ExpectMap(node, "a map of tasks by id")) return false;
    if (node.size == 0) reader_.Fail(node, "a DAG needs at least one task");
    if (!reader_.ExpectAtMost(node, node.size, limits_.max_tasks, "tasks")) return false;
    dag_.spec.tasks.reserve(node.size);
    keys_.reserve(node.size);
    tree_.ForEachEntry(node, [&](const Node& key, const Node& value) { ReadTask(key, value); });
    return !dag_.spec.tasks.empty();
  }

  void ReadTask(const Node& key, const Node& value) {
    if (too_large_) return;
    Reader::Scope scope(reader_, key.text);
    reader_.Id(key, "a task's id");
    TaskDraft draft;
    draft.spec.id = key.text;
    draft.spec.priority = defaults_.spec.priority;
    draft.spec.trigger_rule = defaults_.spec.trigger_rule;
    draft.base = shared_.get();
    draft.templates = &templates_;
    draft.position = static_cast<uint32_t>(keys_.size());
    if (reader_.ExpectMap(value, "a map with sh, exec or noop")) {
      ReadKeys<TaskDraft>(reader_, value, TaskKeys(), LaterTaskKeys(), draft);
      if (draft.verb.empty()) reader_.Fail(key, "what to do is missing: sh, exec or noop");
    }
    draft.spec.settings = draft.own == nullptr ? shared_ : Share(key, std::move(*draft.own));
    keys_.push_back(&key);
    needs_.push_back(draft.needs);
    dag_.spec.tasks.push_back(std::move(draft.spec));
  }

  // The one object for these settings.
  SettingsRef Share(const Node& at, TaskSettings settings) {
    std::string text = SettingsJson(settings);
    const auto found = known_.find(text);
    effective_bytes_ += text.size() / (found == known_.end() ? 1 : kCopiesPerKept);
    if (found != known_.end() && effective_bytes_ <= limits_.max_effective_bytes) {
      return found->second;
    }
    if (effective_bytes_ > limits_.max_effective_bytes) {
      too_large_ = true;
      reader_.Fail(at, fmt::format("with `defaults` repeated in so many tasks the DAG is larger "
                                   "than the limit of {} bytes",
                                   limits_.max_effective_bytes));
      return shared_;
    }
    return known_.emplace(std::move(text), SettingsRef(std::move(settings))).first->second;
  }

  // Turns the names under `needs` into edges.
  void Connect() {
    Reader::Scope scope(reader_, "tasks");
    for (uint32_t i = 0; i < dag_.spec.tasks.size(); ++i) by_id_.emplace(dag_.spec.tasks[i].id, i);
    for (uint32_t i = 0; i < dag_.spec.tasks.size(); ++i) {
      if (needs_[i] != nullptr) ConnectTask(i, *needs_[i]);
    }
    if (edges_ > limits_.max_edges) {
      reader_.Fail(*dag_.tasks,
                   fmt::format("{} edges, more than the limit of {}", edges_, limits_.max_edges));
    }
  }

  void ConnectTask(uint32_t task, const Node& node) {
    Reader::Scope task_scope(reader_, keys_[task]->text);
    Reader::Scope scope(reader_, "needs");
    if (node.kind != NodeKind::kList) {
      if (node.kind == NodeKind::kMap || node.kind == NodeKind::kNull) {
        reader_.Fail(node, fmt::format("expected a task's id or a list of them, found {}",
                                       Article(node.kind)));
      } else {
        AddEdge(task, node);
      }
      return;
    }
    const size_t max = limits_.max_upstreams_per_task;
    if (!reader_.ExpectAtMost(node, node.size, max, "upstream tasks")) return;
    tree_.ForEach(node, [&](const Node& id) { AddEdge(task, id); });
    CheckUnique(task, node);
  }

  void AddEdge(uint32_t task, const Node& id) {
    const auto text = reader_.Written(id, limits_.max_id_bytes);
    if (!text) return;
    const auto found = by_id_.find(*text);
    if (found == by_id_.end()) {
      reader_.FailName(id, fmt::format("there is no task \"{}\"", ShownText(*text)),
                       ClosestTask(*text));
    } else if (found->second == task) {
      reader_.Fail(id, fmt::format("\"{}\" cannot wait for itself", ShownText(*text)));
    } else {
      dag_.spec.tasks[task].needs.push_back(found->second);
      ++edges_;
    }
  }

  void CheckUnique(uint32_t task, const Node& node) {
    std::vector<uint32_t>& needs = dag_.spec.tasks[task].needs;
    std::sort(needs.begin(), needs.end());
    const auto twin = std::adjacent_find(needs.begin(), needs.end());
    if (twin == needs.end()) return;
    reader_.Fail(node, fmt::format("\"{}\" is listed twice", dag_.spec.tasks[*twin].id));
    needs.erase(std::unique(needs.begin(), needs.end()), needs.end());
  }

  std::string_view ClosestTask(std::string_view id) {
    std::vector<std::string_view> ids;
    for (const TaskSpec& task : dag_.spec.tasks) ids.push_back(task.id);
    return reader_.Suggest(id, ids);
  }

  // Brings the tasks into their final order, or reports the cycles; then checks expressions.
  void Order() {
    std::vector<TaskSpec>& tasks = dag_.spec.tasks;
    const auto former = SortTasks(&tasks);
    std::vector<uint32_t> position(tasks.size());
    std::iota(position.begin(), position.end(), 0U);
    if (former) {
      for (uint32_t i = 0; i < former->size(); ++i) position[(*former)[i]] = i;
    } else {
      ReportCycles();
    }
    const TemplateScope scope{dag_.spec.params, tasks, position, former.has_value()};
    CheckTemplates(templates_, scope, tree_, limits_, &problems_);
  }

  void ReportCycles() {
    for (const std::vector<uint32_t>& cycle : FindCycles(dag_.spec.tasks)) {
      const std::string id = dag_.spec.tasks[cycle[0]].id;
      problems_.Add(
          needs_[cycle[0]]->place(), fmt::format("tasks.{}.needs", id),
          fmt::format("tasks wait for each other: {}", DescribeCycle(dag_.spec.tasks, cycle)));
    }
  }

  const YamlTree& tree_;
  const Limits& limits_;
  Problems& problems_;
  Reader reader_;
  DagDraft dag_;
  const SettingsRef built_in_;
  TaskDraft defaults_;
  SettingsRef shared_;  // what a task has that says nothing else
  absl::flat_hash_map<std::string, SettingsRef> known_;
  size_t effective_bytes_ = 0;
  bool too_large_ = false;
  // By position of the task in the file.
  std::vector<const Node*> keys_;
  std::vector<const Node*> needs_;
  std::vector<TemplateUse> templates_;
  absl::flat_hash_map<std::string_view, uint32_t> by_id_;
  size_t edges_ = 0;
};

}  // namespace

ParseResult ParseDag(std::string_view yaml, const Limits& limits) {
  Problems problems(limits.max_problems);
  YamlTree tree;
  ParseResult result;
  if (tree.Read(yaml, limits, &problems)) {
    DagSpec dag = DagReader(tree, limits, &problems).Read();
    if (problems.empty()) result.dag = std::move(dag);
  }
  result.problems = problems.Take();
  return result;
}

std::vector<KeyTable> KeyTables() {
  std::vector<KeyTable> tables;
  tables.push_back({"dag", "Keys of the file", DocsOf<DagDraft>(kDagKeys), {"dag", "tasks"}});
  for (KeyTable& table : ParamKeyTables()) tables.push_back(std::move(table));
  for (KeyTable& table : TaskKeyTables()) tables.push_back(std::move(table));
  return tables;
}

}  // namespace penstock::dag
