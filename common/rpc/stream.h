#pragma once
// Streams on gRPC's callback API. Handlers see only Stream<Out> and StreamHandler<In>
// (stream_core.h): the classes here hold no rules.
//
// Server, in the service method:
//   return rpc::AcceptStream<Req, Resp>(context, options, [&](std::shared_ptr<rpc::Stream<Resp>> s)
//   {
//     return std::make_shared<MyHandler>(std::move(s)); });
// Client:
//   auto stream = rpc::OpenStream<Resp, Req>(
//       [&](grpc::ClientContext* c, auto* reactor) { stub->async()->Control(c, reactor); },
//       options,
//       [&](std::shared_ptr<rpc::Stream<Req>> s) { return std::make_shared<MyHandler>(s); });
#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <utility>

#include "common/rpc/status.h"
#include "common/rpc/stream_core.h"

namespace penstock::rpc {

template <typename Out>
struct StreamOptions {
  QueueLimits limits;
  // See OutQueue::Merge; empty = messages are never merged.
  typename OutQueue<Out>::Merge merge;
};

// The direction of a stream in which nothing is ever sent.
struct NoMessage {
  size_t ByteSizeLong() const { return 0; }
};

// Makes the handler of a stream. May keep the stream, send on it, or Close it at once to refuse the
// call. Never returns null. Runs before anything is read.
template <typename In, typename Out>
using HandlerFactory =
    std::function<std::shared_ptr<StreamHandler<In>>(std::shared_ptr<Stream<Out>>)>;

namespace internal {

template <typename In, typename Out>
std::shared_ptr<StreamCore<In, Out>> MakeCore(StreamRole role, const StreamOptions<Out>& options) {
  return std::make_shared<StreamCore<In, Out>>(
      role, options.limits, [](const Out& message) { return message.ByteSizeLong(); },
      options.merge);
}

// Each reactor frees itself in OnDone, gRPC's last call on it.
template <typename In, typename Out>
class ServerBidi final : public grpc::ServerBidiReactor<In, Out>, StreamTransport<In, Out> {
 public:
  using Base = grpc::ServerBidiReactor<In, Out>;
  ServerBidi(grpc::CallbackServerContext* context, const StreamOptions<Out>& options)
      : context_(context), core_(MakeCore<In, Out>(StreamRole::kServer, options)) {}

  void Open(const HandlerFactory<In, Out>& factory) { core_->Open(this, factory(core_)); }

  void OnReadDone(bool ok) override {
    if (!ok && context_->IsCancelled()) core_->OnPeerCancelled();
    core_->OnReadDone(ok);
  }
  void OnWriteDone(bool ok) override { core_->OnWriteDone(ok); }
  void OnCancel() override { core_->OnPeerCancelled(); }
  void OnDone() override {
    core_->OnDone(nullptr);
    delete this;
  }

 private:
  void StartRead(In* message) override { Base::StartRead(message); }
  void StartWrite(const Out* message) override { Base::StartWrite(message); }
  void StartHalfClose() override {}
  void StartFinish(const absl::Status& status) override { Base::Finish(ToGrpc(status)); }
  void TryCancel() override { context_->TryCancel(); }

  grpc::CallbackServerContext* const context_;       // gRPC's; valid until OnDone
  const std::shared_ptr<StreamCore<In, Out>> core_;  // shared with the users of the Stream
};

template <typename Out>
class ServerWriter final : public grpc::ServerWriteReactor<Out>, StreamTransport<NoMessage, Out> {
 public:
  using Base = grpc::ServerWriteReactor<Out>;
  ServerWriter(grpc::CallbackServerContext* context, const StreamOptions<Out>& options)
      : context_(context), core_(MakeCore<NoMessage, Out>(StreamRole::kServerWriter, options)) {}

  void Open(const HandlerFactory<NoMessage, Out>& factory) { core_->Open(this, factory(core_)); }

  void OnWriteDone(bool ok) override { core_->OnWriteDone(ok); }
  void OnCancel() override { core_->OnPeerCancelled(); }
  void OnDone() override {
    core_->OnDone(nullptr);
    delete this;
  }

 private:
  void StartRead(NoMessage*) override {}
  void StartWrite(const Out* message) override { Base::StartWrite(message); }
  void StartHalfClose() override {}
  void StartFinish(const absl::Status& status) override { Base::Finish(ToGrpc(status)); }
  void TryCancel() override { context_->TryCancel(); }

  grpc::CallbackServerContext* const context_;
  const std::shared_ptr<StreamCore<NoMessage, Out>> core_;
};

// A hold keeps gRPC from ending the call between two steps that come from outside its reactions.
template <typename In, typename Out>
class ClientBidi final : public grpc::ClientBidiReactor<Out, In>, StreamTransport<In, Out> {
 public:
  using Base = grpc::ClientBidiReactor<Out, In>;
  explicit ClientBidi(const StreamOptions<Out>& options)
      : core_(MakeCore<In, Out>(StreamRole::kClient, options)) {}

  grpc::ClientContext* context() { return &context_; }
  std::shared_ptr<Stream<Out>> Open(const HandlerFactory<In, Out>& factory) {
    const std::shared_ptr<StreamCore<In, Out>> core = core_;  // outlives this
    auto handler = factory(core);
    Base::AddHold();
    Base::StartCall();
    core->Open(this, std::move(handler));
    return core;
  }

  void OnReadDone(bool ok) override { core_->OnReadDone(ok); }
  void OnWriteDone(bool ok) override { core_->OnWriteDone(ok); }
  void OnWritesDoneDone(bool ok) override { core_->OnWriteDone(ok); }
  void OnDone(const grpc::Status& status) override {
    const absl::Status end = FromGrpc(status);
    const std::shared_ptr<StreamCore<In, Out>> core = core_;
    // First, because the context holds the channel: whoever hears of the end may let its own hold
    // go, and the last one must not go on this thread (see OpenStream).
    delete this;
    core->OnDone(&end);
  }

 private:
  void StartRead(In* message) override { Base::StartRead(message); }
  void StartWrite(const Out* message) override { Base::StartWrite(message); }
  void StartHalfClose() override { Base::StartWritesDone(); }
  void StartFinish(const absl::Status&) override { Base::RemoveHold(); }
  void TryCancel() override { context_.TryCancel(); }

  grpc::ClientContext context_;
  const std::shared_ptr<StreamCore<In, Out>> core_;
};

template <typename In>
class ClientReader final : public grpc::ClientReadReactor<In>, StreamTransport<In, NoMessage> {
 public:
  using Base = grpc::ClientReadReactor<In>;
  ClientReader() : core_(MakeCore<In, NoMessage>(StreamRole::kClientReader, {})) {}

  grpc::ClientContext* context() { return &context_; }
  std::shared_ptr<Stream<NoMessage>> Open(const HandlerFactory<In, NoMessage>& factory) {
    const std::shared_ptr<StreamCore<In, NoMessage>> core = core_;  // outlives this
    auto handler = factory(core);
    Base::AddHold();
    Base::StartCall();
    core->Open(this, std::move(handler));
    return core;
  }

  void OnReadDone(bool ok) override { core_->OnReadDone(ok); }
  void OnDone(const grpc::Status& status) override {
    const absl::Status end = FromGrpc(status);
    const std::shared_ptr<StreamCore<In, NoMessage>> core = core_;
    // First, because the context holds the channel: whoever hears of the end may let its own hold
    // go, and the last one must not go on this thread (see OpenStream).
    delete this;
    core->OnDone(&end);
  }

 private:
  void StartRead(In* message) override { Base::StartRead(message); }
  void StartWrite(const NoMessage*) override {}
  void StartHalfClose() override {}
  void StartFinish(const absl::Status&) override { Base::RemoveHold(); }
  void TryCancel() override { context_.TryCancel(); }

  grpc::ClientContext context_;
  const std::shared_ptr<StreamCore<In, NoMessage>> core_;
};

}  // namespace internal

// Serves a bidirectional stream; the result is what the service method returns.
template <typename In, typename Out>
grpc::ServerBidiReactor<In, Out>* AcceptStream(grpc::CallbackServerContext* context,
                                               const StreamOptions<Out>& options,
                                               const HandlerFactory<In, Out>& factory) {
  auto* reactor = new internal::ServerBidi<In, Out>(context, options);
  reactor->Open(factory);
  return reactor;
}

// Serves a server-streaming call (watches, log tails). The handler's OnMessage is never called.
template <typename Out>
grpc::ServerWriteReactor<Out>* AcceptWriter(grpc::CallbackServerContext* context,
                                            const StreamOptions<Out>& options,
                                            const HandlerFactory<NoMessage, Out>& factory) {
  auto* reactor = new internal::ServerWriter<Out>(context, options);
  reactor->Open(factory);
  return reactor;
}

// Opens a bidirectional stream. `start` may set metadata or a deadline on the context and calls the
// stub's async method with it and the reactor. Returns at once, connected or not; failures arrive
// in OnClosed. The stream ends when the server ends it, or by Close (politely) or Cancel; dropping
// the returned pointer does not end it. Keep the channel until OnClosed (ChannelCache does): when a
// call holds the last channel of a process, gRPC 1.51 ends its threads from one of them and aborts.
template <typename In, typename Out, typename Start>
std::shared_ptr<Stream<Out>> OpenStream(const Start& start, const StreamOptions<Out>& options,
                                        const HandlerFactory<In, Out>& factory) {
  auto* reactor = new internal::ClientBidi<In, Out>(options);
  grpc::ClientBidiReactor<Out, In>* base = reactor;
  start(reactor->context(), base);
  return reactor->Open(factory);
}

// Opens a server-streaming call. The request that `start` passes to the stub may go afterwards. End
// it with Cancel. Keep the channel until OnClosed, as for OpenStream.
template <typename In, typename Start>
std::shared_ptr<Stream<NoMessage>> OpenReader(const Start& start,
                                              const HandlerFactory<In, NoMessage>& factory) {
  auto* reactor = new internal::ClientReader<In>();
  grpc::ClientReadReactor<In>* base = reactor;
  start(reactor->context(), base);
  return reactor->Open(factory);
}

}  // namespace penstock::rpc
