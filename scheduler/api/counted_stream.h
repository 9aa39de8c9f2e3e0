#pragma once
// A stream's handler that tells the observer when the stream begins and ends.
#include <memory>
#include <string_view>
#include <utility>

#include "common/rpc/stream.h"
#include "scheduler/api/observer.h"

namespace penstock::api {

template <typename In>
class CountedHandler final : public rpc::StreamHandler<In> {
 public:
  CountedHandler(std::string_view method, ApiObserver& observer,
                 std::shared_ptr<rpc::StreamHandler<In>> handler)
      : method_(method), observer_(observer), handler_(std::move(handler)) {
    observer_.StreamOpen(method_, 1);
  }
  bool OnMessage(In message) override { return handler_->OnMessage(std::move(message)); }
  bool OnHalfClose() override { return handler_->OnHalfClose(); }
  void OnWritable() override { handler_->OnWritable(); }
  void OnClosed(const absl::Status& status) override {
    observer_.StreamOpen(method_, -1);
    handler_->OnClosed(status);
  }

 private:
  const std::string_view method_;  // a constant
  ApiObserver& observer_;
  const std::shared_ptr<rpc::StreamHandler<In>> handler_;  // shared with its timers and jobs
};

// `method` is a constant; `observer` outlives the stream.
template <typename In>
std::shared_ptr<rpc::StreamHandler<In>> Counted(std::string_view method, ApiObserver& observer,
                                                std::shared_ptr<rpc::StreamHandler<In>> handler) {
  return std::make_shared<CountedHandler<In>>(method, observer, std::move(handler));
}

}  // namespace penstock::api
