#pragma once
// Calls to the other schedulers of the fleet.
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/ids.h"
#include "common/logstore/log_store.h"
#include "common/rpc/channel.h"
#include "scheduler/core/isolation_judge.h"
#include "scheduler/peer/convert.h"

namespace penstock::peer {

// A ControlService request for the owner of `domain`.
struct ForwardCall {
  DomainId domain;
  std::string method;     // "CreateRun"
  std::string request;    // serialised
  bool repeated = false;  // an earlier try may have been carried out
  absl::Duration timeout = absl::Seconds(10);
};

struct ForwardAnswer {
  enum class Kind {
    kAnswered,  // `status` and `response` are the handler's
    kNotOwner,  // nothing was done: look the owner up again
    kBroken,    // no answer came; it may have been carried out
  };
  Kind kind = Kind::kBroken;
  absl::Status status;
  std::string response;  // serialised; with kAnswered and an OK status
};

// Thread-safe. Callbacks run on gRPC's threads: they must only hand over.
class Client {
 public:
  explicit Client(const rpc::ChannelOptions& options);
  ~Client();  // Shutdown()
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // `done` is called exactly once.
  void Forward(const std::string& address, ForwardCall call,
               std::function<void(ForwardAnswer)> done);
  // "There is something new in these inboxes." May get lost.
  void Hint(const std::string& address, const std::vector<DomainId>& domains);
  // Of the scheduler at `address`; not OK when it does not tell within `timeout`. `done` is called
  // exactly once.
  void GetLastBeat(const std::string& address, absl::Duration timeout,
                   std::function<void(absl::StatusOr<core::LastBeat>)> done);
  // What the node at `address` holds of an attempt's log from `offset` on: at least one record if
  // there is any, then as many as fit `max_bytes`. Its cursor means nothing. Blocks up to
  // `timeout`.
  absl::StatusOr<logstore::LogSlice> ReadLog(const std::string& address, const LogPlace& place,
                                             int64_t max_bytes, absl::Duration timeout);
  // For streams of other services on that node.
  std::shared_ptr<grpc::Channel> ChannelTo(std::string_view address);
  // Makes Shutdown wait for a stream: to be kept by the stream's handler until it has done with its
  // OnClosed. Null after Shutdown: open no stream then.
  class StreamTicket;
  std::shared_ptr<StreamTicket> BeginStream();

  // Cancels what is under way and waits until every `done` has returned and every ticket is gone.
  // May come twice; later calls end at once as kBroken.
  void Shutdown();

 private:
  class Calls;
  // Begins a unary call (client.cc). False, without a call, after Shutdown.
  template <typename Unary, typename Method>
  bool Begin(const std::string& address, const std::shared_ptr<Unary>& call, Method method,
             std::function<void(const grpc::Status&)> done);
  rpc::ChannelCache channels_;
  // Shared with the calls under way, whose callbacks may be the last to touch it.
  const std::shared_ptr<Calls> calls_;
};

// Thread-safe.
class Client::StreamTicket {
 public:
  ~StreamTicket();
  StreamTicket(const StreamTicket&) = delete;
  StreamTicket& operator=(const StreamTicket&) = delete;
  // How Shutdown ends the stream; called at once if it has begun already. Must not call back.
  void CancelWith(std::function<void()> cancel);

 private:
  friend class Client;
  explicit StreamTicket(std::shared_ptr<Calls> calls) : calls_(std::move(calls)) {}
  const std::shared_ptr<Calls> calls_;
};

}  // namespace penstock::peer
