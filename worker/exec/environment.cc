#include "worker/exec/environment.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "common/base/status.h"
#include "worker/guard/guardian.h"

namespace penstock::worker::exec {
namespace {

// Collects entries; a later one replaces an earlier one of the same name.
class Entries {
 public:
  void Put(std::string_view name, std::string_view value) {
    Place(name) = fmt::format("{}={}", name, value);
  }
  void PutEntry(std::string_view entry) { Place(entry.substr(0, entry.find('='))) = entry; }
  std::vector<std::string> Take() { return std::move(entries_); }

 private:
  std::string& Place(std::string_view name) {
    for (std::string& entry : entries_) {
      if (entry.size() > name.size() && entry[name.size()] == '=' &&
          std::string_view(entry).substr(0, name.size()) == name) {
        return entry;
      }
    }
    return entries_.emplace_back();
  }

  std::vector<std::string> entries_;
};

absl::Status Check(std::string_view name, std::string_view value) {
  if (name.empty() || name.find('=') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      fmt::format("{:?} is no name for an environment variable", name));
  }
  if (value.find('\0') != std::string_view::npos) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      fmt::format("the value of the variable {} has a NUL byte", name));
  }
  return absl::OkStatus();
}

void PutBasics(const EnvironmentOptions& options, const std::string& work_dir, Entries* entries) {
  for (const std::string& entry : options.handed_on) entries->PutEntry(entry);
  entries->Put("PATH", options.path);
  entries->Put("HOME", options.home);
  entries->Put("LANG", "C.UTF-8");
  entries->Put("TMPDIR", work_dir);
}

void PutOwn(const LaunchSpec& spec, const EnvironmentOptions& options, const std::string& work_dir,
            Entries* entries) {
  entries->Put("PENSTOCK_NAMESPACE", spec.namespace_name);
  entries->Put("PENSTOCK_DAG", spec.dag);
  entries->Put("PENSTOCK_TASK", spec.task);
  entries->Put("PENSTOCK_RUN_ID", std::to_string(spec.key.run.value()));
  entries->Put("PENSTOCK_RUN_KEY", spec.run_key);
  if (spec.key.map >= 0) entries->Put("PENSTOCK_MAP_INDEX", std::to_string(spec.key.map));
  if (!spec.logical_date.empty()) entries->Put("PENSTOCK_LOGICAL_DATE", spec.logical_date);
  if (!spec.params_json.empty()) entries->Put("PENSTOCK_PARAMS", spec.params_json);
  entries->Put("PENSTOCK_ATTEMPT", std::to_string(spec.key.attempt));
  entries->Put("PENSTOCK_TRY_NUMBER", std::to_string(spec.try_number));
  entries->Put("PENSTOCK_IDEMPOTENCY_KEY", IdempotencyKey(spec));
  entries->Put("PENSTOCK_OUTPUT", work_dir + "/" + kOutputName);
  entries->Put(guard::kLifeVariable, options.life);
}

}  // namespace

std::string IdempotencyKey(const LaunchSpec& spec) {
  std::string key =
      fmt::format("{}/{}/{}/{}", spec.namespace_name, spec.dag, spec.key.run.value(), spec.task);
  if (spec.key.map >= 0) key += fmt::format("/{}", spec.key.map);
  return key;
}

absl::StatusOr<std::vector<std::string>> BuildEnvironment(const LaunchSpec& spec,
                                                          const EnvironmentOptions& options,
                                                          const std::string& work_dir) {
  Entries entries;
  PutBasics(options, work_dir, &entries);
  for (const auto& [name, value] : spec.env) {
    if (absl::Status status = Check(name, value); !status.ok()) return status;
    entries.Put(name, value);
  }
  if (absl::Status status = Check("PENSTOCK_PARAMS", spec.params_json); !status.ok()) {
    return status;
  }
  PutOwn(spec, options, work_dir, &entries);
  return entries.Take();
}

}  // namespace penstock::worker::exec
