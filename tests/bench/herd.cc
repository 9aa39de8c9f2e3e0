#include "tests/bench/herd.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/random.h"
#include "fmt/format.h"

namespace penstock::bench {
namespace {

constexpr absl::Duration kStep = absl::Milliseconds(50);
constexpr absl::Duration kRenewal = absl::Seconds(4);
constexpr absl::Duration kLongestPause = absl::Seconds(1);  // before it comes back
constexpr absl::Duration kPoll = absl::Milliseconds(5);

}  // namespace

// ---- Workers ----

// What one worker holds, by domain; of all its connections.
struct WorkerHerd::Work {
  int number = 0;
  int64_t session_id = RandomId();
  int credits = 0;
  Mutex mu;
  std::map<int32_t, std::vector<v1::AttemptKey>> held ABSL_GUARDED_BY(mu);

  v1::WorkerMessage Hello(const std::string& queue) const {
    v1::WorkerMessage message;
    v1::WorkerHello* hello = message.mutable_hello();
    hello->set_session_id(session_id);
    hello->set_name(fmt::format("herd-{}", number));
    hello->set_group("herd");
    hello->add_queues(queue);
    hello->set_slots(std::max(1, credits));
    hello->set_started_at_us(absl::ToUnixMicros(RealClock().Wall()));
    return message;
  }
  void Answer(const v1::DomainOffer& offer, v1::DomainHello* hello) {
    hello->set_domain(offer.domain());
    hello->set_epoch(offer.epoch());
    hello->set_offer(offer.number());
    MutexLock lock(&mu);
    const std::vector<v1::AttemptKey>& running = held[offer.domain()];
    hello->mutable_running()->Assign(running.begin(), running.end());
    hello->set_credits(std::max(0, credits - static_cast<int>(running.size())));
  }
};

// One stream of a worker.
class WorkerHerd::Session final : public rpc::StreamHandler<v1::SchedulerMessage> {
 public:
  Session(std::shared_ptr<rpc::Stream<v1::WorkerMessage>> stream, Work* work, WorkerHerd* herd)
      : stream_(std::move(stream)), work_(*work), herd_(*herd) {}

  bool OnMessage(v1::SchedulerMessage message) override {
    v1::WorkerMessage answer;
    for (const v1::DomainOffer& offer : message.offers()) {
      work_.Answer(offer, answer.add_domain_hellos());
    }
    if (answer.domain_hellos_size() > 0) {
      answer.mutable_renew()->set_sequence(1);
      stream_->Send(std::move(answer));
    }
    for (const v1::Assignment& assignment : message.assignments()) {
      MutexLock lock(&work_.mu);
      work_.held[assignment.domain()].push_back(assignment.attempt());
    }
    herd_.held_ += message.assignments_size();
    if (message.renewed().domains_size() > 0) bound_ = true;
    for (const v1::DomainEnd& end : message.ended()) {
      if (end.reason() == v1::DomainEnd::REASON_SESSION_LOST) ++herd_.lost_;
    }
    return true;
  }
  void OnClosed(const absl::Status&) override {
    bound_ = false;
    closed_ = true;
  }

  rpc::Stream<v1::WorkerMessage>& stream() { return *stream_; }
  bool bound() const { return bound_; }
  bool closed() const { return closed_; }

 private:
  const std::shared_ptr<rpc::Stream<v1::WorkerMessage>> stream_;  // shared with gRPC's side
  Work& work_;                                                    // both wait for OnClosed
  WorkerHerd& herd_;
  std::atomic<bool> bound_{false}, closed_{false};
};

// A worker's connection to one scheduler.
struct WorkerHerd::Link {
  std::shared_ptr<Work> work;              // of the worker: shared by its links
  std::shared_ptr<grpc::Channel> channel;  // shared with gRPC's stub
  std::unique_ptr<v1::WorkerService::Stub> stub;
  std::shared_ptr<Session> session;  // shared with the stream; of the herd's thread
  SteadyTime due;                    // to renew, or to come back
};

WorkerHerd::WorkerHerd(const HerdOptions& options) : options_(options) {
  for (int i = 0; i < options.count; ++i) {
    const auto work = std::make_shared<Work>();
    work->number = i;
    work->credits = options.credits;
    for (const std::string& address : options.schedulers) {
      auto link = std::make_unique<Link>();
      link->work = work;
      link->channel = rpc::MakeChannel(address, {});
      link->stub = v1::WorkerService::NewStub(link->channel);
      Connect(*link);
      links_.push_back(std::move(link));
    }
  }
  loop_.Start("herd", [this](service::StopToken token) {
    while (token.Wait(kStep)) Step();
  });
}

WorkerHerd::~WorkerHerd() {
  loop_.Stop();
  for (const auto& link : links_) {
    link->session->stream().Cancel(absl::CancelledError("the herd goes"));
  }
  for (const auto& link : links_) {
    while (!link->session->closed()) absl::SleepFor(kPoll);
  }
}

void WorkerHerd::Connect(Link& link) {
  const auto stream = rpc::OpenStream<v1::SchedulerMessage, v1::WorkerMessage>(
      [&](grpc::ClientContext* context, auto* reactor) {
        link.stub->async()->Control(context, reactor);
      },
      {},
      [&](std::shared_ptr<rpc::Stream<v1::WorkerMessage>> s) {
        return link.session = std::make_shared<Session>(std::move(s), link.work.get(), this);
      });
  stream->Send(link.work->Hello(options_.queue));
  // Spread over the time between two renewals, as they would be.
  link.due = RealClock().Steady() + kRenewal * (link.work->number % 100 + 1) / 100;
}

void WorkerHerd::Step() {
  int bound = 0;
  const SteadyTime now = RealClock().Steady();
  for (const auto& link : links_) {
    const bool closed = link->session->closed();
    bound += link->session->bound() ? 1 : 0;
    if (closed && link->due > now + kLongestPause) {
      link->due = now + kLongestPause * (RandomId() % 1000) / 1000;
    }
    if (link->due > now) continue;
    link->due = now + kRenewal;
    if (closed) {
      Connect(*link);
      continue;
    }
    v1::WorkerMessage message;
    message.mutable_renew()->set_sequence(2);
    link->session->stream().Send(std::move(message));
  }
  bound_ = bound;
}

// ---- Watchers ----

class WatchCrowd::Watcher final : public rpc::StreamHandler<v1::RunProgress> {
 public:
  explicit Watcher(WatchCrowd* crowd) : crowd_(*crowd) {}
  bool OnMessage(v1::RunProgress) override {
    if (!std::exchange(heard_, true)) ++crowd_.heard_;
    return true;
  }
  void OnClosed(const absl::Status& status) override {
    ++(status.ok() ? crowd_.ended_ : crowd_.failed_);
  }

 private:
  WatchCrowd& crowd_;  // waits for OnClosed
  bool heard_ = false;
};

WatchCrowd::WatchCrowd(const std::string& address, int64_t run, int streams, int connections) {
  v1::WatchRunRequest request;
  request.mutable_run()->set_id(run);
  for (int i = 0; i < connections; ++i) {
    channels_.push_back(rpc::MakeChannel(address, {}));
    stubs_.push_back(v1::ControlService::NewStub(channels_.back()));
  }
  for (int i = 0; i < streams; ++i) {
    v1::ControlService::Stub& stub = *stubs_[static_cast<size_t>(i % connections)];
    streams_.push_back(rpc::OpenReader<v1::RunProgress>(
        [&](grpc::ClientContext* context, auto* reactor) {
          stub.async()->WatchRun(context, &request, reactor);
        },
        [this](const auto&) { return std::make_shared<Watcher>(this); }));
  }
}

WatchCrowd::~WatchCrowd() {
  for (const auto& stream : streams_) stream->Cancel(absl::CancelledError("nobody looks any more"));
  while (ended_ + failed_ < static_cast<int>(streams_.size())) absl::SleepFor(kPoll);
}

}  // namespace penstock::bench
