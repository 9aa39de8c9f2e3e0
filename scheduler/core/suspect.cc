#include "scheduler/core/suspect.h"

#include <charconv>
#include <iterator>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "fmt/format.h"

namespace penstock::core {
namespace {

constexpr std::string_view kRun = "run ";

std::string Run(RunId id) { return fmt::format("{}{}", kRun, id.value()); }

// FNV-1a: the same in every process and build.
uint64_t DigestOf(std::string_view text) {
  uint64_t digest = 14695981039346656037U;
  for (const char c : text) digest = (digest ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return digest;
}

// What a client says again when it repeats the command; not what the API looked up for it.
struct CommandText {
  std::string operator()(const CreateRuns& c) const {
    std::string text;
    for (const NewRun& run : c.runs) {
      text += fmt::format("{}/{}/{}/{}/{}/{}|", run.dag.value(), run.key, run.idempotency_key,
                          run.logical_date_us, run.params_json, run.note);
    }
    return fmt::format("create-runs {:016x}", DigestOf(text));
  }
  std::string operator()(const CancelRun& c) const {
    return fmt::format("cancel-run {}", c.run.value());
  }
  std::string operator()(const RetryRun& c) const {
    return fmt::format("retry-run {}", c.run.value());
  }
  std::string operator()(const ApplyDag& c) const {
    return fmt::format("apply-dag {} {}", c.dag.id.value(), c.dag.version.value());
  }
  std::string operator()(const SetDagPaused& c) const {
    return fmt::format("pause-dag {} {}", c.dag.value(), c.paused);
  }
  std::string operator()(const DeleteDag& c) const {
    return fmt::format("delete-dag {}", c.dag.value());
  }
  std::string operator()(const SetPool& c) const {
    return fmt::format("set-pool {} {}", c.pool.name, c.pool.slots);
  }
  std::string operator()(const DeletePool& c) const {
    return fmt::format("delete-pool {}", c.name);
  }
  std::string operator()(const AddNamespace& c) const {
    return fmt::format("add-namespace {}", c.ns.id.value());
  }
  std::string operator()(const DrainWorker& c) const {
    return fmt::format("drain-worker {}", c.name);
  }
};

struct Namer {
  std::string operator()(const RunTurn& e) const { return Run(e.run); }
  std::string operator()(const AttemptStarted& e) const { return Run(e.ref.key.run); }
  std::string operator()(const AttemptEnded& e) const { return Run(e.result.ref.key.run); }
  std::string operator()(const AttemptHandedBack& e) const { return Run(e.ref.key.run); }
  std::string operator()(const SessionHello& e) const {
    return fmt::format("session {}", e.info.id.value());
  }
  std::string operator()(const Command& e) const {
    if (e.inbox_id != 0) return fmt::format("inbox row {}", e.inbox_id);
    return "command " + std::visit(CommandText(), e.body);
  }
  template <typename Other>
  std::string operator()(const Other&) const {
    return "";
  }
};

}  // namespace

std::string NameOf(const Event& event) { return std::visit(Namer(), event); }

std::optional<RunId> RunNamed(std::string_view name) {
  if (name.substr(0, kRun.size()) != kRun) return std::nullopt;
  name.remove_prefix(kRun.size());
  int64_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return RunId(id);
}

std::string ToText(const Suspicion& suspicion) {
  if (suspicion.former.empty()) return suspicion.present;
  return suspicion.present + "\n" + absl::StrJoin(suspicion.former, "\n");
}

Suspicion ParseSuspicion(std::string_view text) {
  std::vector<std::string> names = absl::StrSplit(std::string(text), '\n');
  Suspicion suspicion{std::move(names.front()), {}};
  suspicion.former.assign(std::make_move_iterator(names.begin() + 1),
                          std::make_move_iterator(names.end()));
  return suspicion;
}

}  // namespace penstock::core
