#pragma once
// One ReadLogs stream: finds the attempt, sends what is stored of it, follows it to its end.
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/rpc/stream.h"
#include "penstock/v1/control.pb.h"
#include "scheduler/api/attempt_log.h"
#include "scheduler/api/services.h"

namespace penstock::api {

struct LogReadingOptions {
  absl::Duration poll = absl::Milliseconds(250);
  int polls_per_peer_round = 4;  // peers are asked at every so many polls only
  // How long after an attempt's end its log may still arrive.
  absl::Duration grace = absl::Seconds(3);
};

// Everything happens on a strand of the `files` executor; gRPC's threads only post. Memory is
// bounded by one slice and the stream's queue.
class LogReading final : public rpc::StreamHandler<rpc::NoMessage>,
                         public std::enable_shared_from_this<LogReading> {
 public:
  using Stream = rpc::Stream<v1::LogRecord>;
  LogReading(const Services& services, const LogReadingOptions& options,
             v1::ReadLogsRequest request, std::shared_ptr<Stream> stream);

  void Begin();
  bool OnMessage(rpc::NoMessage) override { return true; }
  void OnWritable() override;
  void OnClosed(const absl::Status& status) override;

 private:
  using Step = void (LogReading::*)();
  void Post(Step step);
  void PostLater(absl::Duration delay, Step step);

  // On the strand:
  void Start();
  absl::Status FindInstance();
  // Settles which attempt is meant. False = none exists yet; the stream goes on only if it follows.
  absl::StatusOr<bool> FindAttempt();
  void WaitForAttempt();
  void BeginReading();
  absl::Status GatherTail();
  void Pump();
  bool SendWaiting();
  void Enqueue(std::vector<logstore::LogRecord> records);
  void OnNothing();
  // True when the attempt is certainly over.
  absl::StatusOr<bool> IsOver();
  absl::StatusOr<bool> WasSilent();
  void SendIncomplete();
  void Close(const absl::Status& status);

  const Services& s_;
  const LogReadingOptions options_;
  const v1::ReadLogsRequest request_;
  const std::shared_ptr<Stream> stream_;  // shared with gRPC's side of it
  service::Strand strand_;
  // Of the strand alone:
  bool closed_ = false;
  core::TaskKey key_;
  int32_t attempt_ = 0;
  std::optional<AttemptLog> log_;
  std::deque<v1::LogRecord> waiting_;  // read, not yet taken by the stream
  bool ended_ = false;
  int polls_ = 0;
  std::optional<SteadyTime> over_since_;  // the attempt is over and nothing has come since
};

}  // namespace penstock::api
