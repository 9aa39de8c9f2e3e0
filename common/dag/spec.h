#pragma once
// A DAG as the scheduler and the workers see it, the strict reader of DAG files that makes it, and
// the canonical form in which a version is stored, hashed and loaded again. All functions are pure
// and thread-safe; the text of a file is passed in, nothing is read from disk.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/dag/limits.h"
#include "common/dag/trigger_rule.h"

namespace penstock::dag {

// What a task does. kSh: `sh` is given to the shell. kExec: `exec` is the argument vector.
// kNoop: nothing; completes in the scheduler unless `noop_on_worker`.
enum class TaskKind : uint8_t { kSh = 0, kExec = 1, kNoop = 2 };
std::string_view ToString(TaskKind kind);

// How the effective weight comes from the priorities: own + all descendants, own + all ancestors,
// own alone.
enum class WeightRule : uint8_t { kDownstream = 0, kUpstream = 1, kAbsolute = 2 };
std::string_view ToString(WeightRule rule);

// Retries that the user granted. The n-th retry (n = 1..max) comes after
// min(initial * multiplier^(n-1), ceiling), with jitter drawn from [delay, 2 * delay) before the
// ceiling is applied. initial == ceiling is a fixed delay. Durations are whole milliseconds.
struct Retries {
  int32_t max = 0;
  absl::Duration initial = absl::Seconds(10);
  absl::Duration ceiling = absl::Seconds(10);
  double multiplier = 2;
  bool jitter = false;
  friend bool operator==(const Retries&, const Retries&) = default;
};

// What an attempt asks of its worker. 0 = nothing asked.
struct Resources {
  int64_t cpu_millis = 0;
  int64_t memory_bytes = 0;
  absl::btree_map<std::string, int64_t> custom;  // for example gpu -> 1; values > 0
  friend bool operator==(const Resources&, const Resources&) = default;
};

// The part of a task that tasks usually have in common. Held through SettingsRef.
struct TaskSettings {
  std::vector<std::pair<std::string, std::string>> env;  // sorted by name; values may hold ${{ }}
  std::string shell = "/bin/sh -e";                      // split at blanks; the script comes last
  std::string queue = "default";
  std::string pool;  // "" = none
  int32_t pool_slots = 1;
  WeightRule weight_rule = WeightRule::kDownstream;
  Retries retries;
  absl::Duration timeout;  // of one attempt; 0 = none; whole milliseconds
  Resources resources;
  absl::btree_map<std::string, std::string> labels;  // what the worker's labels must equal
  int32_t skip_exit_code = 99;                       // 0 = no exit code means "skip"
  friend bool operator==(const TaskSettings&, const TaskSettings&) = default;
};

// A shared, immutable TaskSettings, copied when edited. Never null; default = built-in defaults.
// Copies may be used in different threads. In a parsed DAG equal settings are one object, so
// get() is a cheap key for "the same requirements".
class SettingsRef {
 public:
  SettingsRef() : settings_(BuiltIn()) {}
  explicit SettingsRef(TaskSettings settings)
      : settings_(std::make_shared<const TaskSettings>(std::move(settings))) {}
  const TaskSettings* operator->() const { return settings_.get(); }
  const TaskSettings& operator*() const { return *settings_; }
  const TaskSettings* get() const { return settings_.get(); }
  // Replaces the settings by `edit(copy)`.
  template <typename Edit>
  void Change(Edit edit) {
    TaskSettings copy = *settings_;
    edit(copy);
    settings_ = std::make_shared<const TaskSettings>(std::move(copy));
  }
  friend bool operator==(const SettingsRef& a, const SettingsRef& b) {
    return a.settings_ == b.settings_ || *a.settings_ == *b.settings_;
  }

 private:
  static const std::shared_ptr<const TaskSettings>& BuiltIn();
  std::shared_ptr<const TaskSettings> settings_;
};

struct TaskSpec {
  std::string id;
  std::string description;
  std::string sh;                 // kSh only; may hold ${{ }}
  std::vector<std::string> exec;  // kExec only, at least the program; elements may hold ${{ }}
  std::vector<uint32_t> needs;    // direct upstream tasks: indices, ascending, all < own index
  SettingsRef settings;
  int32_t priority = 1;  // own part of the weight, >= 0
  TaskKind kind = TaskKind::kNoop;
  TriggerRule trigger_rule = TriggerRule::kAllSuccess;
  bool noop_on_worker = false;  // kNoop only
  friend bool operator==(const TaskSpec&, const TaskSpec&) = default;
};

enum class ParamType : uint8_t { kString, kInteger, kNumber, kBoolean, kObject, kArray };
std::string_view ToString(ParamType type);

struct ParamSpec {
  std::string name;
  ParamType type = ParamType::kString;
  std::vector<std::string> enum_json;  // allowed values as JSON texts; empty = any of the type
  std::string default_json;            // JSON text; "" = none
  bool required = false;               // not required and no default: null when not given
  std::string description;
  friend bool operator==(const ParamSpec&, const ParamSpec&) = default;
};

struct DagSpec {
  std::string dag;  // its id
  std::string description;
  std::vector<ParamSpec> params;   // sorted by name
  std::vector<TaskSpec> tasks;     // in topological order, ties by id; position = task index
  std::vector<std::string> files;  // globs relative to the DAG file; sorted, unique
  int32_t max_active_runs = 16;    // >= 1
  int32_t max_active_tasks = 0;    // of one run; 0 = unlimited
  absl::Duration run_timeout;      // 0 = none; whole milliseconds
  absl::btree_map<std::string, std::string> labels;  // for people and searches
  friend bool operator==(const DagSpec&, const DagSpec&) = default;
};

// One thing wrong with a file. Lines and columns count from 1 in characters; 0 = the whole file.
struct Problem {
  int line = 0;
  int column = 0;
  std::string path;        // for example "tasks.load.retries.max"; "" = the file
  std::string message;     // one sentence without position and suggestion
  std::string suggestion;  // what was probably meant ("needs"); "" = no idea
};
// "orders.yaml:3:7: tasks.load: unknown key "need" (did you mean "needs"?)".
std::string ToString(const Problem& problem, std::string_view file_name);

struct ParseResult {
  std::optional<DagSpec> dag;     // set exactly when there is no problem
  std::vector<Problem> problems;  // by position; at most limits.max_problems + 1 ("and N more")
};

// Reads a DAG file (docs/dag-file.md), statically checks its expressions, and lists everything
// wrong with it at once. Never fails otherwise; cost is linear in the text but for checks of
// references to indirect upstream tasks, which are bounded.
ParseResult ParseDag(std::string_view yaml, const Limits& limits = {});

// The canonical form: one JSON object, UTF-8, no blanks, keys sorted by bytes, effective values
// (defaults merged), values equal to the built-in default left out, task settings written once
// and numbered. It does not depend on order, comments or style of the file: equal DAGs give equal
// texts, and FromCanonicalJson(CanonicalJson(d)) == d for every d that ParseDag made.
std::string CanonicalJson(const DagSpec& dag);

// InvalidArgument when the text is not a canonical form this build understands. Trusts the
// content as far as safety allows: structure, ids, edges and cycles are checked, limits are not.
absl::StatusOr<DagSpec> FromCanonicalJson(std::string_view json);

// Hex SHA-256 (64 characters) that names a version: of the canonical form and of the bundle's
// hash ("" = no files).
std::string VersionHash(std::string_view canonical, std::string_view bundle_hash);

// Parameters of a run: `given_json` (a JSON object; "" = {}) checked against the declaration, with
// defaults filled in, as JSON object text with sorted keys. InvalidArgument lists all problems.
absl::StatusOr<std::string> ResolveParams(const DagSpec& dag, std::string_view given_json,
                                          const Limits& limits = {});

// A JSON Schema (draft 2020-12) of the DAG file for editors, from the table the reader uses.
std::string JsonSchema();

// The reference of all keys as Markdown tables, from the same table (docs/dag-file.md holds it).
std::string DescribeKeys();

}  // namespace penstock::dag
