// What schedulers say to each other about logs: any bytes are refused or survive the wire.
#include <cstddef>
#include <cstdint>
#include <utility>

#include "common/base/check.h"
#include "penstock/v1/peer.pb.h"
#include "scheduler/peer/convert.h"
#include "tests/fuzz/parse_message.h"

namespace penstock::peer {
namespace {

void CheckRequest(const v1::ReadLogRequest& request) {
  const auto place = FromProto(request);
  if (!place.ok()) return;
  PENSTOCK_CHECK(place->attempt.run.value() > 0 && place->attempt.task >= 0, "a task of a run");
  PENSTOCK_CHECK(place->attempt.map >= -1 && place->offset >= 0, "a place in a log");
  const auto again = FromProto(ToProto(*place));
  PENSTOCK_CHECK(again.ok() && again->attempt == place->attempt && again->offset == place->offset,
                 "places survive the wire");
}

void CheckResponse(v1::ReadLogResponse response) {
  const logstore::LogRecord record = FromProto(std::move(response));
  const logstore::LogRecord again = FromProto(ToProto(record));
  PENSTOCK_CHECK(again.offset == record.offset && again.stream == record.stream, "records");
  PENSTOCK_CHECK(again.at == record.at && again.bytes == record.bytes, "survive");
  PENSTOCK_CHECK(again.truncated == record.truncated, "the wire");
}

}  // namespace
}  // namespace penstock::peer

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::v1::ReadLogRequest request;
  if (penstock::fuzz::ParseMessage(data, size, &request)) penstock::peer::CheckRequest(request);
  penstock::v1::ReadLogResponse response;
  if (penstock::fuzz::ParseMessage(data, size, &response)) {
    penstock::peer::CheckResponse(std::move(response));
  }
  return 0;
}
