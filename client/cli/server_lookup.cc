#include "client/cli/server_lookup.h"

#include <memory>
#include <optional>
#include <utility>

#include "client/cli/refs.h"
#include "client/lib/client.h"
#include "client/lib/config.h"

namespace penstock::client {
namespace {

using Flags = std::map<std::string, std::string>;
using Candidates = std::vector<Candidate>;

constexpr int32_t kRuns = 20;
constexpr int32_t kMany = 1000;

std::optional<std::string> FlagOf(const Flags& flags, const std::string& name) {
  const auto found = flags.find(name);
  return found == flags.end() ? std::nullopt : std::optional<std::string>(found->second);
}

// One look-up's connection.
class Asker {
 public:
  Asker(const Settings& settings, const Clock& clock) : name_space_(settings.name_space) {
    ClientOptions options;
    options.addresses = settings.addresses;
    options.retry_for = absl::ZeroDuration();
    options.call_timeout = absl::Seconds(1);
    client_ = std::make_unique<Client>(std::move(options), clock);
  }

  Candidates Dags() {
    v1::ListDagsRequest request;
    request.set_namespace_(name_space_);
    request.set_page_size(kMany);
    Candidates out;
    const auto found = client_->ListDags(request);
    if (!found.ok()) return out;
    for (const v1::Dag& dag : found->dags()) out.push_back({dag.name(), dag.description()});
    return out;
  }

  Candidates Runs() {
    v1::ListRunsRequest request;
    request.set_namespace_(name_space_);
    request.set_page_size(kRuns);
    Candidates out;
    const auto found = client_->ListRuns(request);
    if (!found.ok()) return out;
    for (const v1::Run& run : found->runs()) {
      out.push_back({std::to_string(run.id()), run.dag() + " " + StateName(run.state())});
    }
    return out;
  }

  Candidates Tasks(std::string_view run) {
    v1::ListTaskInstancesRequest request;
    request.set_namespace_(name_space_);
    request.set_page_size(kMany);
    const auto ref = ResolveRun(*client_, name_space_, run);
    if (!ref.ok()) return {};
    *request.mutable_run() = *ref;
    Candidates out;
    const auto found = client_->ListTaskInstances(request);
    if (!found.ok()) return out;
    for (const v1::TaskInstance& task : found->instances()) {
      out.push_back({ToString(TaskRef{task.task(), task.map_index()}), StateName(task.state())});
    }
    return out;
  }

  Candidates Pools() {
    v1::ListPoolsRequest request;
    request.set_namespace_(name_space_);
    Candidates out;
    const auto found = client_->ListPools(request);
    if (!found.ok()) return out;
    for (const v1::Pool& pool : found->pools()) out.push_back({pool.name(), pool.description()});
    return out;
  }

  Candidates Workers() {
    v1::ListWorkersRequest request;
    request.set_namespace_(name_space_);
    Candidates out;
    const auto found = client_->ListWorkers(request);
    if (!found.ok()) return out;
    for (const v1::Worker& worker : found->workers())
      out.push_back({worker.name(), worker.group()});
    return out;
  }

  Candidates Namespaces() {
    Candidates out;
    const auto found = client_->ListNamespaces(v1::ListNamespacesRequest());
    if (!found.ok()) return out;
    for (const v1::Namespace& entry : found->namespaces()) out.push_back({entry.name(), ""});
    return out;
  }

 private:
  const std::string name_space_;
  std::unique_ptr<Client> client_;
};

Candidates Contexts(const ConfigFile& file) {
  Candidates out;
  for (const auto& [name, entry] : file.contexts) out.push_back({name, entry.address});
  return out;
}

Candidates Ask(Asker asker, ValueKind kind, std::string_view run) {
  switch (kind) {
    case ValueKind::kDag:
      return asker.Dags();
    case ValueKind::kRun:
      return asker.Runs();
    case ValueKind::kTask:
      return asker.Tasks(run);
    case ValueKind::kPool:
      return asker.Pools();
    case ValueKind::kWorker:
      return asker.Workers();
    case ValueKind::kNamespace:
      return asker.Namespaces();
    default:
      return {};
  }
}

}  // namespace

Lookup ServerLookup(const Environment& env) {
  return [&env](ValueKind kind, std::string_view run, const Flags& flags) -> Candidates {
    const auto file = LoadConfig(env.get_env);
    if (!file.ok()) return {};
    if (kind == ValueKind::kContext) return Contexts(*file);
    const auto settings =
        Resolve({FlagOf(flags, "address"), FlagOf(flags, "namespace"), FlagOf(flags, "context")},
                env.get_env, *file);
    if (!settings.ok()) return {};
    return Ask(Asker(*settings, *env.clock), kind, run);
  };
}

}  // namespace penstock::client
