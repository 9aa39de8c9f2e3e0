#pragma once
// Sends what the local log store holds of an attempt to another scheduler, as fast as it reads.
#include <deque>
#include <memory>
#include <utility>

#include "common/logstore/log_store.h"
#include "common/rpc/stream.h"
#include "common/service/executor.h"
#include "penstock/v1/peer.pb.h"
#include "scheduler/peer/convert.h"

namespace penstock::peer {

// One ReadLog stream. Reads the store on `files`, one slice at a time; memory is bounded by one
// slice and the stream's queue.
class LogSender final : public rpc::StreamHandler<rpc::NoMessage>,
                        public std::enable_shared_from_this<LogSender> {
 public:
  LogSender(logstore::LogStore& logs, service::Executor& files, const LogPlace& place,
            std::shared_ptr<rpc::Stream<v1::ReadLogResponse>> stream)
      : logs_(logs), strand_(files, 2), stream_(std::move(stream)), place_(place) {}

  // Begins, or goes on, to send.
  void Go();

  bool OnMessage(rpc::NoMessage) override { return true; }
  void OnWritable() override { Go(); }
  void OnClosed(const absl::Status&) override {}

 private:
  void SendSlices();
  // Reads more into `waiting_`. False = there is no more for now; the stream has been closed.
  bool ReadSlice();
  // False = the stream has no room or has ended: the rest waits in `waiting_`.
  bool SendWaiting();

  logstore::LogStore& logs_;
  service::Strand strand_;
  // Shared with gRPC's side of the stream.
  const std::shared_ptr<rpc::Stream<v1::ReadLogResponse>> stream_;
  // Of the strand's jobs alone:
  LogPlace place_;
  int64_t cursor_ = 0;                       // the store's
  bool ended_ = false;                       // the end is in `waiting_` or sent
  std::deque<v1::ReadLogResponse> waiting_;  // read, not yet taken by the stream
};

}  // namespace penstock::peer
