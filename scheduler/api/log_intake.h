#pragma once
// One worker's Bulk stream: stores log chunks, one batch at a time, and acknowledges them.
#include <memory>
#include <optional>
#include <vector>

#include "common/rpc/stream.h"
#include "penstock/v1/worker.pb.h"
#include "scheduler/api/services.h"

namespace penstock::api {

// A batch is read from the stream only when the one before it is stored, so memory is bounded and
// a slow disk slows the worker down.
class LogIntake final : public rpc::StreamHandler<v1::LogBatch>,
                        public std::enable_shared_from_this<LogIntake> {
 public:
  using Stream = rpc::Stream<v1::LogAcks>;
  // `services` outlives the stream.
  LogIntake(const Services& services, std::shared_ptr<Stream> stream);

  bool OnMessage(v1::LogBatch batch) override;
  void OnClosed(const absl::Status&) override {}

 private:
  void Store(const v1::LogBatch& batch);
  absl::Status StoreAttempt(const logstore::AttemptRef& attempt,
                            const std::vector<logstore::LogChunk>& chunks, v1::LogAcks* acks);

  const Services& s_;
  const std::shared_ptr<Stream> stream_;  // shared with gRPC's side of it
  service::Strand strand_;
};

// Brings an attempt's log here up to `offset`, from the peers that stored it before; what nobody
// has becomes a hole (attempt_log.h). Blocks.
absl::Status FillUpTo(const Services& services, const logstore::AttemptRef& attempt,
                      int64_t offset);

}  // namespace penstock::api
