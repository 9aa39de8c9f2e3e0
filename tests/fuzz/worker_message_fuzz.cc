// What a worker says: any bytes are refused, or become values that the core and the store can take.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/dag/value.h"
#include "penstock/v1/worker.pb.h"
#include "scheduler/api/validate.h"
#include "scheduler/api/worker_convert.h"
#include "tests/fuzz/parse_message.h"

namespace penstock::api {
namespace {

void CheckRef(const core::AttemptRef& ref) {
  PENSTOCK_CHECK(ref.key.run.value() > 0 && ref.key.task >= 0, "a run and a task");
  PENSTOCK_CHECK(ref.key.map >= -1 && ref.attempt > 0, "an instance and an attempt");
  const auto again = FromProto(ToProto(ref));
  PENSTOCK_CHECK(again.ok() && *again == ref, "keys survive the wire");
  PENSTOCK_CHECK(ToLogRef(ToProto(ref)).ok(), "every attempt has a log");
}

void CheckResult(const core::AttemptResult& result) {
  CheckRef(result.ref);
  PENSTOCK_CHECK(result.started_us >= 0 && result.finished_us >= 0, "times are not negative");
  PENSTOCK_CHECK(result.peak_rss_kib >= 0 && result.cpu_ms >= 0, "nor is what was used");
  PENSTOCK_CHECK(result.error.size() <= kMaxErrorBytes && IsCleanText(result.error), "clean");
  PENSTOCK_CHECK(result.output_json.size() <= kMaxOutputBytes, "a bounded output");
  if (result.output_json.empty()) return;
  const auto output = dag::Value::FromJson(result.output_json);
  PENSTOCK_CHECK(output.ok() && output->type() == dag::Value::Type::kObject, "an object");
}

void CheckHello(const v1::WorkerHello& hello) {
  const auto info = FromProto(hello);
  if (!info.ok()) return;
  PENSTOCK_CHECK(info->id.value() > 0 && info->slots > 0 && info->started_us > 0, "positive");
  PENSTOCK_CHECK(!info->name.empty() && !info->queues.empty(), "a name and queues");
  for (const auto& [name, amount] : info->custom_resources) PENSTOCK_CHECK(amount >= 0, "amounts");
}

void CheckDomainHello(const v1::DomainHello& proto) {
  const auto hello = FromProto(proto);
  if (!hello.ok()) return;
  PENSTOCK_CHECK(hello->credits >= 0, "credits are not negative");
  for (const core::AttemptRef& ref : hello->running) CheckRef(ref);
  for (const core::AttemptResult& result : hello->unacknowledged) CheckResult(result);
}

struct EventChecker {
  void operator()(const core::AttemptStarted& started) const { CheckRef(started.ref); }
  void operator()(const core::AttemptEnded& ended) const { CheckResult(ended.result); }
  void operator()(const core::AttemptHandedBack& back) const { CheckRef(back.ref); }
  template <typename Other>
  void operator()(const Other&) const {
    PENSTOCK_CHECK(false, "no other event comes of these");
  }
};

void CheckEvents(const v1::WorkerMessage& message) {
  const auto groups = ToEvents(SessionId(1), message);
  if (!groups.ok()) return;
  int count = 0;
  std::set<std::pair<DomainId, Epoch>> seen;
  for (const DomainEvents& group : *groups) {
    PENSTOCK_CHECK(seen.insert({group.domain, group.epoch}).second, "one group of each kind");
    for (const core::Event& event : group.events) std::visit(EventChecker(), event);
    count += static_cast<int>(group.events.size());
  }
  PENSTOCK_CHECK(
      count == message.started_size() + message.results_size() + message.hand_backs_size(),
      "nothing is lost");
}

void CheckLogs(const v1::LogBatch& batch) {
  for (const v1::LogChunk& chunk : batch.chunks()) {
    (void)ToLogRef(chunk.attempt());
    PENSTOCK_CHECK(ToLogChunk(chunk).bytes == chunk.data(), "the bytes are the output's");
  }
}

}  // namespace
}  // namespace penstock::api

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::v1::WorkerMessage message;
  if (penstock::fuzz::ParseMessage(data, size, &message)) {
    penstock::api::CheckHello(message.hello());
    for (const auto& hello : message.domain_hellos()) penstock::api::CheckDomainHello(hello);
    penstock::api::CheckEvents(message);
  }
  penstock::v1::LogBatch batch;
  if (penstock::fuzz::ParseMessage(data, size, &batch)) penstock::api::CheckLogs(batch);
  return 0;
}
