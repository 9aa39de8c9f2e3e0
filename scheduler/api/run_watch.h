#pragma once
// One WatchRun stream: progress of a run wherever its domain is decided, for as long as it lives.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/rpc/stream.h"
#include "penstock/v1/control.pb.h"
#include "scheduler/api/services.h"

namespace penstock::api {

struct RunWatchOptions {
  absl::Duration pause = absl::Milliseconds(100);  // between looks for an owner
  absl::Duration patience = absl::Seconds(30);     // without any owner; then UNAVAILABLE
  absl::Duration look = absl::Seconds(1);          // how often to see whether the domain moved
  int looks_per_refresh = 5;                       // looks between refreshes without a change
};

// Everything happens on a strand of the `watches` executor; gRPC's and the engine's threads only
// post.
class RunWatch final : public rpc::StreamHandler<rpc::NoMessage>,
                       public std::enable_shared_from_this<RunWatch> {
 public:
  using Stream = rpc::Stream<v1::RunProgress>;
  // `forwarded`: asked by another scheduler, so watch here or refuse.
  RunWatch(const Services& services, const RunWatchOptions& options, v1::WatchRunRequest request,
           bool forwarded, std::shared_ptr<Stream> stream);
  // The stream's settings: only the latest progress waits to be sent.
  static rpc::StreamOptions<v1::RunProgress> StreamSettings();

  void Begin();
  bool OnMessage(rpc::NoMessage) override { return true; }
  void OnClosed(const absl::Status& status) override;

 private:
  friend class PeerWatch;
  using Step = void (RunWatch::*)();
  void Post(std::function<void()> step);
  void PostLater(absl::Duration delay, Step step);

  // On the strand:
  void Start();
  absl::Status FindTheRun();
  void Seek();
  void SeekAgain(const absl::Status& why);
  void WatchHere(const engine::Place& place);
  void WatchPeer(const std::string& address);
  void Refresh();
  void OnView(const absl::StatusOr<std::optional<core::RunView>>& view);
  void Look();
  void SendEnd();
  void OnPeerProgress(v1::RunProgress progress);
  void OnPeerClosed(int number, const absl::Status& status);
  void Close(const absl::Status& status);
  void LetGo();

  const Services& s_;
  const RunWatchOptions options_;
  const v1::WatchRunRequest request_;
  const bool forwarded_;
  const std::shared_ptr<Stream> stream_;  // shared with gRPC's side of it
  service::Strand strand_;
  // Of the strand alone:
  bool closed_ = false;
  store::NamespaceRecord ns_;
  store::RunRecord run_;
  std::shared_ptr<const Version> version_;
  SteadyTime without_owner_since_;
  std::shared_ptr<void> local_watch_;                  // the engine's handle
  Epoch epoch_;                                        // of the local ownership
  std::shared_ptr<rpc::Stream<rpc::NoMessage>> peer_;  // shared with gRPC's side of it
  int peer_number_ = 0;
  bool refreshing_ = false;
  bool changed_meanwhile_ = false;
  int looks_ = 0;
};

}  // namespace penstock::api
