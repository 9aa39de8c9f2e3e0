// What clients send with requests: refused with a sentence, or within the bounds that core and
// store rely on. The first byte says what the others are.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/dag/spec.h"
#include "common/dag/value.h"
#include "penstock/v1/control.pb.h"
#include "scheduler/api/bundle_check.h"
#include "scheduler/api/convert.h"
#include "scheduler/api/cursor.h"
#include "scheduler/api/new_run.h"
#include "scheduler/api/validate.h"
#include "tests/fuzz/parse_message.h"
#include "worker/session/bundle.h"

namespace penstock::api {
namespace {

template <typename Message>
bool Parse(std::string_view bytes, Message* message) {
  return fuzz::ParseMessage(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), message);
}

// A status that says what is wrong, in text that can be sent.
void CheckRefusal(const absl::Status& status) {
  const std::string_view text(status.message().data(), status.message().size());
  PENSTOCK_CHECK(!text.empty() && IsCleanText(text), "a refusal is a sentence");
}

void CheckCursor(std::string_view text) {
  const auto place = ReadCursor("runs", text);
  if (place.ok()) {
    PENSTOCK_CHECK(text.empty() || *ReadCursor("runs", MakeCursor("runs", *place)) == *place,
                   "a cursor that was read can be made again");
    PENSTOCK_CHECK(text.empty() || !ReadCursor("dags", text).ok(), "each list has its own");
  } else {
    CheckRefusal(place.status());
  }
  const auto number = ReadNumberCursor("runs", text);
  PENSTOCK_CHECK(!number.ok() || *number >= 0, "places are not negative");
  PENSTOCK_CHECK(text.size() > 2000 || *ReadCursor("x", MakeCursor("x", text)) == text,
                 "any place survives");
}

void CheckText(std::string_view text) {
  for (const size_t most : {size_t{0}, size_t{5}, size_t{4096}}) {
    const std::string repaired = RepairText(text, most);
    PENSTOCK_CHECK(repaired.size() <= most && IsCleanText(repaired), "repaired and cut");
    if (IsCleanText(text) && text.size() <= most) PENSTOCK_CHECK(repaired == text, "untouched");
  }
  Checker check;
  check.NewName("name", text);
  if (check.ok()) {
    PENSTOCK_CHECK(!text.empty() && text.size() <= kMaxNameBytes && IsCleanText(text), "a name");
  } else {
    CheckRefusal(check.Result());
  }
  const auto id = RunIdOfKey(text);
  if (id.has_value()) PENSTOCK_CHECK(text == "run-" + std::to_string(id->value()), "one form");
}

void CheckRuns(std::string_view bytes) {
  v1::CreateRunsRequest request;
  if (!Parse(bytes, &request)) return;
  const absl::Status status = CheckNewRuns(request, /*forwarded=*/false);
  if (!status.ok()) return CheckRefusal(status);
  for (const v1::CreateRunRequest& run : request.runs()) {
    PENSTOCK_CHECK(!run.dag().empty() && IsCleanText(run.params_json()), "checked");
    PENSTOCK_CHECK(!HasForwardKey(run), "schedulers' own keys stay theirs");
    if (run.has_logical_date()) {
      PENSTOCK_CHECK(ToMicros(run.logical_date()).value_or(0) != 0, "a date that is one");
    }
  }
  AddForwardKeys(&request);
  PENSTOCK_CHECK(CheckNewRuns(request, /*forwarded=*/true).ok(), "passing on changes nothing");
}

void CheckRunRef(std::string_view bytes) {
  v1::RunRef ref;
  if (!Parse(bytes, &ref)) return;
  Checker check;
  check.Run(ref);
  if (!check.ok()) return CheckRefusal(check.Result());
  PENSTOCK_CHECK((ref.id() > 0) != !ref.key().empty(), "by the id or by the key");
}

dag::DagSpec DagWithParams() {
  return *dag::ParseDag(R"(
dag: d
params:
  s: {type: string, default: x}
  i: {type: integer, default: 1}
  n: {type: number, default: 1.5}
  b: {type: boolean, default: true}
tasks: {a: {sh: 'true'}}
)",
                        dag::Limits())
              .dag;
}

void CheckParams(std::string_view json) {
  static const dag::DagSpec dag = DagWithParams();
  const auto resolved = dag::ResolveParams(dag, json);
  if (!resolved.ok()) return CheckRefusal(resolved.status());
  const auto value = dag::Value::FromJson(*resolved);
  PENSTOCK_CHECK(value.ok() && value->type() == dag::Value::Type::kObject, "an object");
  const auto again = dag::ResolveParams(dag, *resolved);
  PENSTOCK_CHECK(again.ok() && *again == *resolved, "resolving twice changes nothing");
}

// What is taken here, every worker unpacks.
void CheckBundleBytes(std::string_view bytes) {
  const auto hash = CheckBundle(bytes);
  if (!hash.ok()) return CheckRefusal(hash.status());
  if (!bytes.empty()) PENSTOCK_CHECK(worker::ReadBundle(*hash, bytes).ok(), "taken here and there");
}

void Check(uint8_t kind, std::string_view bytes) {
  switch (kind) {
    case 'c':
      return CheckCursor(bytes);
    case 't':
      return CheckText(bytes);
    case 'r':
      return CheckRuns(bytes);
    case 'f':
      return CheckRunRef(bytes);
    case 'p':
      return CheckParams(bytes);
    case 'b':
      return CheckBundleBytes(bytes);
    default:
      return;
  }
}

}  // namespace
}  // namespace penstock::api

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  penstock::api::Check(data[0], bytes.substr(1));
  return 0;
}
