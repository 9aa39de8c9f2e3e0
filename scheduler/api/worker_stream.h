#pragma once
// One worker's Control stream: converts and passes on, decides nothing.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/mutex.h"
#include "common/rpc/stream.h"
#include "common/service/executor.h"
#include "penstock/v1/worker.pb.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/session_hub.h"

namespace penstock::api {

// The way to the worker. The hub calls it under its lock: it only queues. A worker that does not
// take its mail loses the stream (and says hello again), never a message alone.
class WorkerMailbox final : public engine::SessionStream {
 public:
  using Stream = rpc::Stream<v1::SchedulerMessage>;
  // Tells the owner's side that an assignment is too large to be sent. Must only hand over.
  using Refuse = std::function<void(DomainId, Epoch, std::vector<core::AttemptRef>)>;

  WorkerMailbox(std::shared_ptr<Stream> stream, Refuse refuse)
      : stream_(std::move(stream)), refuse_(std::move(refuse)) {}

  void Offer(DomainId domain, Epoch epoch, int64_t number) override;
  void Withdraw(DomainId domain, Epoch epoch) override;
  void Deliver(DomainId domain, Epoch epoch, engine::SessionMail mail) override;
  void SetFleet(const std::vector<std::string>& addresses) override;
  void Send(v1::SchedulerMessage message);

 private:
  const std::shared_ptr<Stream> stream_;  // shared with gRPC's side of it
  const Refuse refuse_;
};

class WorkerStream final : public rpc::StreamHandler<v1::WorkerMessage>,
                           public std::enable_shared_from_this<WorkerStream> {
 public:
  using Stream = WorkerMailbox::Stream;
  struct Links {
    engine::Engine& engine;
    engine::SessionHub& hub;
    service::Executor& work;
    absl::Duration session_term;
  };
  // References outlive the stream.
  WorkerStream(const Links& links, std::shared_ptr<Stream> stream);
  static rpc::StreamOptions<v1::SchedulerMessage> StreamSettings();

  bool OnMessage(v1::WorkerMessage message) override;
  void OnClosed(const absl::Status& status) override;

 private:
  absl::Status Take(const v1::WorkerMessage& message);
  absl::Status TakeHello(const v1::WorkerHello& hello);
  absl::Status CheckIncarnation(const v1::WorkerHello& hello);
  absl::Status TakeDomainHellos(const v1::WorkerMessage& message);
  absl::Status TakeEvents(const v1::WorkerMessage& message);
  void TakeRenewal(const v1::RenewRequest& renewal);
  void TakeDraining();
  void RefuseAssignments(DomainId domain, Epoch epoch, std::vector<core::AttemptRef> refused);
  void EndSession();

  const Links links_;
  const std::shared_ptr<Stream> stream_;    // shared with gRPC's side of it
  std::shared_ptr<WorkerMailbox> mailbox_;  // shared with the hub
  std::atomic<int64_t> session_{0};         // 0 until the hello
  // Messages come one at a time, so this needs no lock.
  absl::flat_hash_map<DomainId, Epoch> bound_;  // by the last domain hello
};

}  // namespace penstock::api
