#include "scheduler/api/services.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "common/base/status.h"
#include "scheduler/api/convert.h"

namespace penstock::api {
namespace {

absl::Status NoSuchRun(const v1::RunRef& ref) {
  const std::string name =
      ref.id() != 0 ? fmt::format("{}", ref.id()) : fmt::format("{}/{}", ref.dag(), ref.key());
  return MakeStatus(absl::StatusCode::kNotFound,
                    fmt::format("there is no run {} in this namespace; finished runs are deleted "
                                "when their retention time is over",
                                name));
}

absl::StatusOr<store::RunRecord> LookUp(store::Catalog& catalog, NamespaceId ns,
                                        const v1::RunRef& ref) {
  if (ref.id() != 0) return catalog.GetRun(RunId(ref.id()));
  const std::optional<RunId> id = RunIdOfKey(ref.key());
  if (!id.has_value()) return catalog.FindRunByKey(ns, ref.dag(), ref.key());
  absl::StatusOr<store::RunRecord> run = catalog.GetRun(*id);
  if (run.ok() && run->dag_name != ref.dag()) return absl::NotFoundError("of another DAG");
  return run;
}

}  // namespace

void Execute(const Services& services, DomainId domain, core::CommandBody command,
             const std::string& actor, std::function<void(core::Reply)> then) {
  services.engine.Execute(domain, std::move(command), actor,
                          [&answers = services.answers, then = std::move(then)](core::Reply reply) {
                            const auto shared = std::make_shared<core::Reply>(std::move(reply));
                            HandOver(answers, [shared, then] { then(std::move(*shared)); });
                          });
}

absl::StatusOr<store::RunRecord> FindRun(store::Catalog& catalog, const store::NamespaceRecord& ns,
                                         const v1::RunRef& ref) {
  absl::StatusOr<store::RunRecord> run = LookUp(catalog, ns.id, ref);
  if (absl::IsNotFound(run.status())) return NoSuchRun(ref);
  if (run.ok() && run->ns != ns.id) return NoSuchRun(ref);
  return run;
}

}  // namespace penstock::api
