#pragma once
// One DAG version as a worker uses it: what each task runs, with its expressions compiled once.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/base/ids.h"
#include "common/base/mutex.h"
#include "common/dag/expr.h"
#include "common/dag/spec.h"
#include "worker/core/attempt.h"
#include "worker/core/resources.h"

namespace penstock::worker {

// What an assignment says of its run, for expressions and the environment.
struct RunFacts {
  std::string run_key;          // "" = "run-<run id>"
  int64_t logical_date_us = 0;  // 0 = none
  std::string params_json;      // "" = {}
  int32_t try_number = 1;
  std::vector<std::pair<uint32_t, std::string>> outputs;  // of upstream tasks, JSON; "" = none
};

// The texts of a task after evaluation.
struct RenderedTask {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> env;
};

// Immutable but for a cache of compiled expressions. Thread-safe.
class Version {
 public:
  // InvalidArgument when the text is not a canonical form that this program understands.
  static absl::StatusOr<std::shared_ptr<const Version>> Make(VersionId id,
                                                             std::string namespace_name,
                                                             std::string_view canonical_json,
                                                             std::string bundle_hash);

  VersionId id() const { return id_; }
  const std::string& namespace_name() const { return namespace_name_; }
  const std::string& bundle_hash() const { return bundle_hash_; }  // "" = no files
  const dag::DagSpec& dag() const { return dag_; }
  // About what it takes in memory.
  size_t bytes() const { return bytes_; }
  // Null for an index that the version does not have.
  const dag::TaskSpec* task(uint32_t index) const;
  // Never null; for indices that exist.
  std::shared_ptr<const Demand> demand(uint32_t index) const;

  // InvalidArgument or NotFound: an expression cannot be evaluated; the text names it.
  absl::StatusOr<RenderedTask> Render(const AttemptKey& key, const RunFacts& facts) const
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // The parts of a task that hold expressions. An unset template stands for a plain text.
  struct Templates {
    std::optional<dag::Template> sh;
    std::vector<std::optional<dag::Template>> exec;
    std::vector<std::optional<dag::Template>> env;
    bool any = false;
  };

  Version(VersionId id, std::string namespace_name, dag::DagSpec dag, std::string bundle_hash,
          size_t bytes);
  absl::StatusOr<std::shared_ptr<const Templates>> TemplatesOf(uint32_t task) const
      ABSL_LOCKS_EXCLUDED(mu_);
  static absl::StatusOr<Templates> Compile(const dag::TaskSpec& task);
  absl::StatusOr<dag::Context> MakeContext(const AttemptKey& key, const RunFacts& facts) const;

  const VersionId id_;
  const std::string namespace_name_;
  const dag::DagSpec dag_;
  const std::string bundle_hash_;
  const size_t bytes_;
  // By settings, which equal tasks share; each shared with the attempts that ask for it.
  absl::flat_hash_map<const dag::TaskSettings*, std::shared_ptr<const Demand>> demands_;
  mutable Mutex mu_;
  // Shared with renderings under way.
  mutable absl::flat_hash_map<uint32_t, std::shared_ptr<const Templates>> templates_
      ABSL_GUARDED_BY(mu_);
};

// "2024-01-31T05:00:00Z", with microseconds if there are any; "" for 0.
std::string FormatLogicalDate(int64_t us);
// The run's own key, or "run-<id>".
std::string RunKeyOf(RunId run, const RunFacts& facts);

}  // namespace penstock::worker
