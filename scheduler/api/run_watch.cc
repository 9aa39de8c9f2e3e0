#include "scheduler/api/run_watch.h"

#include <optional>
#include <string>

#include "common/base/status_macros.h"
#include "penstock/v1/control.grpc.pb.h"
#include "scheduler/api/progress.h"
#include "scheduler/api/validate.h"
#include "scheduler/engine/errors.h"
#include "scheduler/peer/metadata.h"

namespace penstock::api {
namespace {
constexpr size_t kMaxSteps = 256;
constexpr absl::Duration kComeAgain = absl::Seconds(1);
}  // namespace

// The stream to the owner, when that is another scheduler.
class PeerWatch final : public rpc::StreamHandler<v1::RunProgress> {
 public:
  // `number` tells this stream from those before it.
  PeerWatch(std::shared_ptr<RunWatch> watch, int number,
            std::shared_ptr<peer::Client::StreamTicket> ticket)
      : watch_(std::move(watch)), number_(number), ticket_(std::move(ticket)) {}
  bool OnMessage(v1::RunProgress progress) override {
    watch_->Post(
        [watch = watch_, progress = std::move(progress)] { watch->OnPeerProgress(progress); });
    return true;
  }
  void OnClosed(const absl::Status& status) override {
    watch_->Post(
        [watch = watch_, number = number_, status] { watch->OnPeerClosed(number, status); });
    ticket_ = nullptr;
  }

 private:
  const std::shared_ptr<RunWatch> watch_;  // shared with its own stream
  const int number_;
  std::shared_ptr<peer::Client::StreamTicket> ticket_;  // shared with its opener, for a moment
};

RunWatch::RunWatch(const Services& services, const RunWatchOptions& options,
                   v1::WatchRunRequest request, bool forwarded, std::shared_ptr<Stream> stream)
    : s_(services),
      options_(options),
      request_(std::move(request)),
      forwarded_(forwarded),
      stream_(std::move(stream)),
      strand_(services.watches, kMaxSteps) {}

rpc::StreamOptions<v1::RunProgress> RunWatch::StreamSettings() {
  rpc::StreamOptions<v1::RunProgress> options;
  options.merge = [](v1::RunProgress& last, v1::RunProgress& next) {
    last = std::move(next);
    return true;
  };
  return options;
}

void RunWatch::Begin() {
  Post([self = shared_from_this()] { self->Start(); });
}

void RunWatch::OnClosed(const absl::Status&) {
  Post([self = shared_from_this()] {
    self->closed_ = true;
    self->LetGo();
  });
}

void RunWatch::Post(std::function<void()> step) {
  if (strand_.TryPost(std::move(step))) return;
  absl::Status busy = absl::ResourceExhaustedError("the scheduler is busy; watch again");
  rpc::SetRetryAfter(&busy, kComeAgain);
  stream_->Close(busy);
}

void RunWatch::PostLater(absl::Duration delay, Step step) {
  s_.timers.After(delay, [weak = weak_from_this(), step] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->Post([self, step] { ((*self).*step)(); });
  });
}

void RunWatch::Start() {
  const absl::Status found = FindTheRun();
  if (!found.ok()) return Close(found);
  if (core::IsTerminal(run_.row.state)) return SendEnd();
  without_owner_since_ = s_.clock.Steady();
  Seek();
  PostLater(options_.look, &RunWatch::Look);
}

absl::Status RunWatch::FindTheRun() {
  Checker check;
  check.Text("namespace", request_.namespace_(), kMaxNameBytes);
  check.Run(request_.run());
  PENSTOCK_RETURN_IF_ERROR(check.Result());
  PENSTOCK_ASSIGN_OR_RETURN(ns_, s_.namespaces.Find(NamespaceOf(request_.namespace_())));
  PENSTOCK_ASSIGN_OR_RETURN(run_, FindRun(s_.catalog, ns_, request_.run()));
  PENSTOCK_ASSIGN_OR_RETURN(version_, s_.versions.Get(run_.row.version));
  return absl::OkStatus();
}

void RunWatch::Seek() {
  if (closed_ || local_watch_ != nullptr || peer_ != nullptr) return;
  if (s_.isolation.cut_off()) return Close(CutOffError());
  const absl::StatusOr<engine::Place> place = s_.engine.Locate(ns_.domain);
  if (place.ok() && place->local) return WatchHere(*place);
  if (forwarded_) return Close(engine::NotOwner());
  if (!place.ok()) return SeekAgain(place.status());
  WatchPeer(place->address);
}

void RunWatch::SeekAgain(const absl::Status& why) {
  LetGo();
  if (forwarded_) return Close(why);
  if (s_.clock.Steady() - without_owner_since_ > options_.patience) return Close(why);
  PostLater(options_.pause, &RunWatch::Seek);
}

void RunWatch::WatchHere(const engine::Place& place) {
  epoch_ = place.epoch;
  local_watch_ = s_.engine.WatchRun(ns_.domain, run_.row.id, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Post([self] { self->Refresh(); });
  });
  if (local_watch_ == nullptr) return SeekAgain(absl::UnavailableError("the domain is moving"));
  Refresh();
}

void RunWatch::Refresh() {
  if (closed_ || local_watch_ == nullptr) return;
  if (std::exchange(refreshing_, true)) {
    changed_meanwhile_ = true;
    return;
  }
  changed_meanwhile_ = false;
  s_.views.Run(ns_.domain, run_.row.id,
               [self = shared_from_this()](absl::StatusOr<std::optional<core::RunView>> view) {
                 self->Post([self, view = std::move(view)] { self->OnView(view); });
               });
}

void RunWatch::OnView(const absl::StatusOr<std::optional<core::RunView>>& view) {
  refreshing_ = false;
  if (closed_ || local_watch_ == nullptr) return;
  if (!view.ok()) return SeekAgain(view.status());
  without_owner_since_ = s_.clock.Steady();
  if (!view->has_value()) return SendEnd();
  stream_->Send(ToProgress(**view, run_, ns_.name, *version_));
  if (changed_meanwhile_) Refresh();
}

void RunWatch::Look() {
  if (closed_) return;
  PostLater(options_.look, &RunWatch::Look);
  if (local_watch_ == nullptr) return;
  if (s_.isolation.cut_off()) return Close(CutOffError());
  const absl::StatusOr<engine::Place> place = s_.engine.Locate(ns_.domain);
  if (!place.ok() || !place->local || place->epoch != epoch_) {
    return SeekAgain(absl::UnavailableError("the domain is moving"));
  }
  if (++looks_ % options_.looks_per_refresh == 0) Refresh();
}

void RunWatch::SendEnd() {
  const absl::StatusOr<store::RunRecord> run = s_.catalog.GetRun(run_.row.id);
  if (!run.ok()) return Close(run.status());
  if (!core::IsTerminal(run->row.state)) {
    return SeekAgain(absl::UnavailableError("the domain is being loaded"));
  }
  const auto progress = EndedProgress(s_.catalog, *run, ns_.name, *version_);
  if (progress.ok()) stream_->Send(*progress);
  Close(progress.status());
}

void RunWatch::WatchPeer(const std::string& address) {
  const auto ticket = s_.peers.BeginStream();
  if (ticket == nullptr) return Close(absl::UnavailableError("the scheduler is shutting down"));
  const auto stub = v1::ControlService::NewStub(s_.peers.ChannelTo(address));
  // The stub is needed to start the call only.
  peer_ = rpc::OpenReader<v1::RunProgress>(
      [&](grpc::ClientContext* context, grpc::ClientReadReactor<v1::RunProgress>* reactor) {
        context->AddMetadata(std::string(peer::kForwardedKey), "1");
        stub->async()->WatchRun(context, &request_, reactor);
      },
      [this, &ticket](const std::shared_ptr<rpc::Stream<rpc::NoMessage>>&) {
        return std::make_shared<PeerWatch>(shared_from_this(), ++peer_number_, ticket);
      });
  ticket->CancelWith([stream = peer_] {
    stream->Cancel(absl::UnavailableError("the scheduler is shutting down"));
  });
}

void RunWatch::OnPeerProgress(v1::RunProgress progress) {
  without_owner_since_ = s_.clock.Steady();
  if (!closed_) stream_->Send(std::move(progress));
}

void RunWatch::OnPeerClosed(int number, const absl::Status& status) {
  if (peer_ == nullptr || number != peer_number_) return;
  peer_ = nullptr;
  if (status.ok()) return Close(status);
  if (absl::IsNotFound(status) || absl::IsInvalidArgument(status)) return Close(status);
  SeekAgain(status);
}

void RunWatch::Close(const absl::Status& status) {
  closed_ = true;
  LetGo();
  stream_->Close(status);
}

void RunWatch::LetGo() {
  local_watch_ = nullptr;
  if (const auto peer = std::exchange(peer_, nullptr)) {
    peer->Cancel(absl::CancelledError("watched elsewhere from now on"));
  }
}

}  // namespace penstock::api
