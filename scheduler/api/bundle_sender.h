#pragma once
// Sends a bundle in chunks, as fast as the worker takes them.
#include <memory>
#include <string>

#include "common/rpc/stream.h"
#include "penstock/v1/worker.pb.h"
#include "scheduler/api/services.h"

namespace penstock::api {

// One GetBundle stream. Holds the whole bundle (at most 16 MiB) while it lasts.
class BundleSender final : public rpc::StreamHandler<rpc::NoMessage>,
                           public std::enable_shared_from_this<BundleSender> {
 public:
  using Stream = rpc::Stream<v1::BundleChunk>;
  // `services` outlives the stream.
  BundleSender(const Services& services, std::string hash, std::shared_ptr<Stream> stream);
  void Begin();
  bool OnMessage(rpc::NoMessage) override { return true; }
  void OnWritable() override;
  void OnClosed(const absl::Status&) override {}

 private:
  void Post(void (BundleSender::*step)());
  void Load();
  void SendMore();

  const Services& s_;
  const std::string hash_;
  const std::shared_ptr<Stream> stream_;  // shared with gRPC's side of it
  service::Strand strand_;
  // Of the strand alone:
  std::string bytes_;
  size_t sent_ = 0;
};

}  // namespace penstock::api
