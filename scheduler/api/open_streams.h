#pragma once
// The streams that clients, workers and peers have open here: counted while they live, ended when
// the scheduler stops.
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/base/mutex.h"
#include "common/rpc/stream.h"
#include "scheduler/api/observer.h"

namespace penstock::api {

// Thread-safe. Outlives the streams.
class OpenStreams {
 public:
  // `observer` hears of every stream that begins and ends, and outlives this.
  explicit OpenStreams(ApiObserver& observer) : observer_(observer) {}
  OpenStreams(const OpenStreams&) = delete;
  OpenStreams& operator=(const OpenStreams&) = delete;

  // What gRPC's side of `stream` is to tell instead of `handler`, which it passes everything on to.
  // `method` is a constant. A stream that comes after CloseAll is closed at once.
  template <typename In, typename Out>
  std::shared_ptr<rpc::StreamHandler<In>> Enter(std::string_view method,
                                                const std::shared_ptr<rpc::Stream<Out>>& stream,
                                                std::shared_ptr<rpc::StreamHandler<In>> handler);
  // Each writes what it has queued and ends as UNAVAILABLE. May come twice.
  void CloseAll() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  template <typename In>
  class Entry;
  // Returns what Leave wants.
  int64_t Add(std::string_view method, std::function<void()> close) ABSL_LOCKS_EXCLUDED(mu_);
  void Leave(std::string_view method, int64_t id) ABSL_LOCKS_EXCLUDED(mu_);

  ApiObserver& observer_;
  Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  int64_t next_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<int64_t, std::function<void()>> closers_ ABSL_GUARDED_BY(mu_);
};

template <typename In>
class OpenStreams::Entry final : public rpc::StreamHandler<In> {
 public:
  Entry(OpenStreams& streams, std::string_view method, std::function<void()> close,
        std::shared_ptr<rpc::StreamHandler<In>> handler)
      : streams_(streams),
        method_(method),
        id_(streams.Add(method, std::move(close))),
        handler_(std::move(handler)) {}
  bool OnMessage(In message) override { return handler_->OnMessage(std::move(message)); }
  bool OnHalfClose() override { return handler_->OnHalfClose(); }
  void OnWritable() override { handler_->OnWritable(); }
  void OnClosed(const absl::Status& status) override {
    streams_.Leave(method_, id_);
    handler_->OnClosed(status);
  }

 private:
  OpenStreams& streams_;
  const std::string_view method_;
  const int64_t id_;
  const std::shared_ptr<rpc::StreamHandler<In>> handler_;  // shared with its timers and jobs
};

template <typename In, typename Out>
std::shared_ptr<rpc::StreamHandler<In>> OpenStreams::Enter(
    std::string_view method, const std::shared_ptr<rpc::Stream<Out>>& stream,
    std::shared_ptr<rpc::StreamHandler<In>> handler) {
  // Weak: the stream owns its handler.
  auto close = [weak = std::weak_ptr<rpc::Stream<Out>>(stream)] {
    if (const auto open = weak.lock()) {
      open->Close(absl::UnavailableError("the scheduler is stopping"));
    }
  };
  return std::make_shared<Entry<In>>(*this, method, std::move(close), std::move(handler));
}

}  // namespace penstock::api
