// The control streams: to whom they are opened, and how they come back.
#include <algorithm>

#include "common/base/random.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/rpc/channel.h"
#include "common/service/loopback.h"
#include "penstock/v1/worker.grpc.pb.h"
#include "worker/session/agent.h"

namespace penstock::worker {

namespace {

// After so long without any scheduler the first addresses are tried as well as the fleet's.
constexpr absl::Duration kAloneTooLong = absl::Seconds(3);
// A stream to another name of the same scheduler waits for the old one to be gone.
constexpr absl::Duration kPauseBeforeNewNames = absl::Milliseconds(100);

}  // namespace

// Lives until the end of its stream, for which Stop waits.
class Agent::Handler final : public rpc::StreamHandler<v1::SchedulerMessage> {
 public:
  Handler(Agent& agent, StreamId id) : agent_(agent), id_(id) {}
  bool OnMessage(v1::SchedulerMessage message) override {
    agent_.OnMessage(id_, std::move(message));
    return true;
  }
  void OnClosed(const absl::Status& status) override { agent_.OnClosed(id_, status); }

 private:
  Agent& agent_;
  const StreamId id_;
};

void Agent::SetFleet(const v1::SchedulerMessage& message) {
  std::vector<std::string> fleet;
  for (const std::string& address : message.schedulers()) {
    if (service::ParseLoopbackAddress(address).ok()) {
      fleet.push_back(address);
    } else {
      obs::Warning("a scheduler's address is not on loopback", {{"scheduler", address}});
    }
  }
  std::sort(fleet.begin(), fleet.end());
  fleet.erase(std::unique(fleet.begin(), fleet.end()), fleet.end());
  if (fleet != fleet_) obs::Info("the fleet changed", {{"schedulers", fleet.size()}});
  fleet_ = std::move(fleet);
  Reconcile(clock_.Steady());
  timer_.Wake();
}

std::vector<std::string> Agent::Targets(SteadyTime now) {
  std::vector<std::string> targets = fleet_;
  if (fleet_.empty() || now - connected_at_ > kAloneTooLong) {
    targets.insert(targets.end(), options_.schedulers.begin(), options_.schedulers.end());
  }
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  return targets;
}

// Makes the links those of all sessions to all targets.
void Agent::Reconcile(SteadyTime now) {
  const std::vector<std::string> targets = Targets(now);
  const std::vector<SessionId>& sessions = core_.sessions();
  bool some_go = false;
  for (auto it = links_.begin(); it != links_.end();) {
    Link& link = it->second;
    // A scheduler that answers is kept whatever the others say: their view may be the older one.
    const bool known = link.state == LinkState::kWelcomed ||
                       std::binary_search(targets.begin(), targets.end(), link.address);
    link.unwanted =
        !known || std::find(sessions.begin(), sessions.end(), link.session) == sessions.end();
    if (link.unwanted && link.state == LinkState::kWaiting) {
      it = links_.erase(it);
      continue;
    }
    if (link.unwanted && link.stream != nullptr) to_cancel_.push_back(link.stream);
    some_go |= link.unwanted;
    ++it;
  }
  for (const SessionId session : sessions) {
    for (const std::string& address : targets) {
      Link link{session,
                address,
                LinkState::kWaiting,
                StreamId(),
                nullptr,
                Backoff(options_.reconnect_initial, options_.reconnect_max,
                        static_cast<uint64_t>(RandomId())),
                some_go ? now + kPauseBeforeNewNames : now,
                false};
      if (links_.try_emplace({session, address}, std::move(link)).second) timer_.Wake();
    }
  }
  UpdateBook();
}

void Agent::UpdateBook() {
  std::vector<std::string> addresses;
  for (const bool welcomed : {true, false}) {
    for (const auto& [key, link] : links_) {
      if ((link.state == LinkState::kWelcomed) != welcomed || link.unwanted) continue;
      if (std::find(addresses.begin(), addresses.end(), link.address) == addresses.end()) {
        addresses.push_back(link.address);
      }
    }
  }
  if (addresses == book_.List()) return;
  book_.Set(std::move(addresses));
  last_words_changed_ = true;
}

Agent::Link* Agent::FindLink(StreamId id) {
  for (auto& [key, link] : links_) {
    if (link.id == id) return &link;
  }
  return nullptr;
}

// Opens what is due and gives up what is not answered. Returns when it is to be called again.
SteadyTime Agent::TendLinks(SteadyTime now) {
  std::vector<std::pair<StreamId, std::string>> to_open;
  SteadyTime next = SteadyTime::Infinite();
  {
    MutexLock lock(&mu_);
    if (stopping_) return next;
    bool connected = false;
    for (const auto& [key, link] : links_) connected |= link.state == LinkState::kWelcomed;
    if (connected) connected_at_ = now;
    if (!connected) Reconcile(now);
    for (auto& [key, link] : links_) {
      if (link.due <= now && link.state == LinkState::kWaiting) {
        link.state = LinkState::kOpening;
        link.id = StreamId(++last_stream_);
        link.due = now + options_.welcome_timeout;
        ++open_streams_;
        to_open.emplace_back(link.id, link.address);
      } else if (link.due <= now && link.stream != nullptr) {
        link.due = SteadyTime::Infinite();
        to_cancel_.push_back(link.stream);
      }
      next = std::min(next, link.due);
    }
  }
  for (const auto& [id, address] : to_open) Open(id, address);
  Act();
  return next;
}

// A channel of its own for each attempt: no back-off of gRPC's stands in the way. The cache keeps
// it until its stream is over and this runs again; see OpenStream.
void Agent::Open(StreamId id, const std::string& address) {
  channels_.Forget(address);
  const auto stub = v1::WorkerService::NewStub(channels_.Get(address));
  rpc::StreamOptions<v1::WorkerMessage> options;
  options.limits = {4096, 64 << 20};
  options.merge = MergeMessages;
  rpc::OpenStream<v1::SchedulerMessage, v1::WorkerMessage>(
      [&](grpc::ClientContext* context, auto* reactor) {
        stub->async()->Control(context, reactor);
      },
      options,
      [this, id](const std::shared_ptr<Out>& stream) {
        Introduce(id, stream);
        return std::make_shared<Handler>(*this, id);
      });
}

void Agent::Introduce(StreamId id, const std::shared_ptr<Out>& stream) {
  v1::WorkerMessage message;
  {
    MutexLock lock(&mu_);
    Link* link = FindLink(id);
    if (link == nullptr || link->unwanted || stopping_) {
      to_cancel_.push_back(stream);
    } else {
      link->stream = stream;
      *message.mutable_hello() =
          ToProto(options_.introduction, link->session, core_.incarnation(link->session));
      message.set_draining(core_.draining());
    }
  }
  stream->Send(std::move(message));
}

void Agent::OnClosed(StreamId id, const absl::Status& status) {
  {
    MutexLock lock(&mu_);
    const Now now = clock_.Read();
    if (Link* link = FindLink(id); link != nullptr) {
      const bool was_welcome = link->state == LinkState::kWelcomed;
      obs::Log(was_welcome ? obs::LogLevel::kWarning : obs::LogLevel::kDebug,
               "control stream ended", {{"scheduler", link->address}, {"status", status}});
      link->state = LinkState::kWaiting;
      link->stream = nullptr;
      link->due = now.steady + link->backoff.Next();
      if (was_welcome) connected_at_ = now.steady;
      if (link->unwanted) links_.erase({link->session, link->address});
    }
    core_.StreamClosed(id);
    if (!stopping_) {
      Reconcile(now.steady);
      TurnAndWake(now);
    }
    timer_.Wake();
  }
  Act();
  MutexLock lock(&mu_);
  --open_streams_;
  links_ended_.SignalAll();
}

}  // namespace penstock::worker
