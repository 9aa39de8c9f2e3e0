// Any bytes are a DAG file or a list of problems; a DAG's canonical form comes back exactly.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/dag/spec.h"
#include "common/dag/topology.h"

namespace penstock::dag {
namespace {

void CheckProblems(const ParseResult& result, const Limits& limits) {
  PENSTOCK_CHECK(result.dag.has_value() == result.problems.empty(), "a DAG or problems");
  PENSTOCK_CHECK(result.problems.size() <= limits.max_problems + 1, "a bounded list");
  for (const Problem& problem : result.problems) {
    PENSTOCK_CHECK(!problem.message.empty(), "a problem says what it is");
    PENSTOCK_CHECK(!ToString(problem, "f").empty(), "a problem can be shown");
  }
}

void CheckRoundTrip(const DagSpec& dag) {
  const std::string canonical = CanonicalJson(dag);
  auto again = FromCanonicalJson(canonical);
  PENSTOCK_CHECK(again.ok(), "the canonical form is understood");
  PENSTOCK_CHECK(*again == dag, "the canonical form loses nothing");
  PENSTOCK_CHECK(CanonicalJson(*again) == canonical, "the canonical form is its own");
  const Topology topology(*std::move(again));
  for (uint32_t task = 0; task < topology.task_count(); ++task) {
    PENSTOCK_CHECK(topology.FindTask(topology.spec(task).id) == task, "ids are unique");
    PENSTOCK_CHECK(topology.weight(task) >= 0, "weights are not negative");
  }
}

}  // namespace
}  // namespace penstock::dag

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const penstock::dag::Limits limits;
  const penstock::dag::ParseResult result = penstock::dag::ParseDag(text, limits);
  penstock::dag::CheckProblems(result, limits);
  if (result.dag) {
    penstock::dag::CheckRoundTrip(*result.dag);
    (void)penstock::dag::ResolveParams(*result.dag, "{}");
  } else {
    (void)penstock::dag::FromCanonicalJson(text);
  }
  return 0;
}
