// A domain that is told whatever bytes can make a worker say: it goes on, keeps within what it may
// do, and its own checks hold.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "common/base/check.h"
#include "common/dag/spec.h"
#include "penstock/v1/worker.pb.h"
#include "scheduler/api/worker_convert.h"
#include "scheduler/core/domain.h"
#include "tests/fuzz/parse_message.h"

namespace penstock::core {
namespace {

constexpr DomainId kDomain(1);
constexpr Epoch kEpoch(3);
constexpr VersionId kVersion(1);
constexpr BindingId kBinding(1);

std::shared_ptr<const dag::Topology> MakeTopology() {
  const dag::ParseResult parsed = dag::ParseDag(R"(
dag: d
tasks:
  a: {sh: 'true', retries: 1}
  b: {sh: 'true', needs: a}
  c: {sh: 'true', needs: [a, b], trigger_rule: all_done}
  d: {sh: 'true'}
)",
                                                dag::Limits());
  PENSTOCK_CHECK(parsed.dag.has_value(), "the DAG is well-formed");
  return std::make_shared<const dag::Topology>(*parsed.dag);
}

DomainFacts MakeFacts() {
  DomainFacts facts;
  facts.domain = kDomain;
  facts.epoch = kEpoch;
  facts.flush_seq = FlushSeq(1);
  facts.incarnation = Incarnation(1);
  facts.namespaces.push_back({NamespaceId(1), "default", 1});
  facts.dags.push_back({DagId(1), NamespaceId(1), "d", false, kVersion, 16});
  for (int64_t id = 1; id <= 2; ++id) {
    RunRow run;
    run.id = RunId(id);
    run.dag = DagId(1);
    run.version = kVersion;
    run.key = "run-" + std::to_string(id);
    run.created_us = 1;
    facts.runs.push_back(run);
  }
  return facts;
}

Now Time(int64_t ms) {
  return {SteadyTime::FromMicros(1'000'000'000 + ms * 1000),
          absl::UnixEpoch() + absl::Hours(24) + absl::Milliseconds(ms)};
}

// A carrier whose flushes always succeed.
class Driver {
 public:
  explicit Driver(const std::shared_ptr<const dag::Topology>& topology)
      : domain_(DomainOptions(), MakeFacts(), {{kVersion, topology}}, Time(0)) {
    Work();
  }

  void Read(const v1::WorkerMessage& message) {
    const auto info = api::FromProto(message.hello());
    if (!info.ok()) return;
    for (const v1::DomainHello& proto : message.domain_hellos()) {
      auto hello = api::FromProto(proto);
      if (!hello.ok()) return;
      Apply(SessionHello{*info, kBinding, std::move(hello->running),
                         std::move(hello->unacknowledged), hello->credits, hello->draining,
                         hello->shared});
    }
    for (const v1::CreditGrant& grant : message.credits()) {
      if (grant.credits() > 0) Apply(CreditsGranted{info->id, kBinding, grant.credits()});
    }
    auto groups = api::ToEvents(info->id, message);
    if (!groups.ok()) return;
    for (api::DomainEvents& group : *groups) {
      for (Event& event : group.events) Apply(std::move(event));
    }
    if (message.draining()) Apply(SessionDraining{info->id});
    if (message.has_renew()) now_ms_ += 20'000;
    Work();
  }

 private:
  void Apply(Event event) {
    domain_.Apply(std::move(event), Time(++now_ms_));
    Work();
  }

  void Work() {
    for (int slices = 0; domain_.Work(Time(now_ms_)); ++slices) {
      PENSTOCK_CHECK(slices < 1000, "the work ends");
    }
    const Effects effects = domain_.TakeEffects();
    for (const Assign& assign : effects.assigns) {
      PENSTOCK_CHECK(assign.ref.attempt > 0, "attempts are numbered from 1");
      PENSTOCK_CHECK(assign.ref.key.run.value() <= 2, "only runs that exist");
    }
    const DomainStats stats = domain_.Stats();
    PENSTOCK_CHECK(stats.live_runs <= 2 && stats.live >= 0 && stats.live <= 8, "no more than is");
  }

  Domain domain_;
  int64_t now_ms_ = 0;
};

}  // namespace
}  // namespace penstock::core

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto topology = penstock::core::MakeTopology();
  penstock::v1::WorkerMessage message;
  if (!penstock::fuzz::ParseMessage(data, size, &message)) return 0;
  penstock::core::Driver driver(topology);
  driver.Read(message);
  driver.Read(message);
  return 0;
}
