#include "worker/session/fake_scheduler.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/status.h"
#include "worker/session/convert.h"

namespace penstock::worker {

namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

class FakeScheduler::ControlHandler final : public rpc::StreamHandler<v1::WorkerMessage> {
 public:
  ControlHandler(FakeScheduler& fake, std::shared_ptr<Out> stream)
      : fake_(fake), stream_(std::move(stream)) {}
  bool OnMessage(v1::WorkerMessage message) override {
    fake_.Take(stream_, message);
    return true;
  }
  void OnClosed(const absl::Status&) override { fake_.Gone(stream_); }

 private:
  FakeScheduler& fake_;
  const std::shared_ptr<Out> stream_;
};

class FakeScheduler::BulkHandler final : public rpc::StreamHandler<v1::LogBatch> {
 public:
  BulkHandler(FakeScheduler& fake, std::shared_ptr<rpc::Stream<v1::LogAcks>> stream)
      : fake_(fake), stream_(std::move(stream)) {}
  bool OnMessage(v1::LogBatch batch) override {
    v1::LogAcks acks;
    {
      MutexLock lock(&fake_.mu_);
      for (const v1::LogChunk& chunk : batch.chunks()) {
        fake_.heard_.logs.push_back(chunk);
        v1::LogAcks::Ack* ack = acks.add_acks();
        *ack->mutable_attempt() = chunk.attempt();
        ack->set_stored(chunk.offset() + static_cast<int64_t>(chunk.data().size()));
        ack->set_ended(chunk.end());
      }
      if (!fake_.store_logs_) acks.Clear();
      fake_.changed_.SignalAll();
    }
    stream_->Send(std::move(acks));
    return true;
  }
  void OnClosed(const absl::Status&) override {}

 private:
  FakeScheduler& fake_;
  const std::shared_ptr<rpc::Stream<v1::LogAcks>> stream_;
};

class FakeScheduler::NullHandler final : public rpc::StreamHandler<rpc::NoMessage> {
 public:
  bool OnMessage(rpc::NoMessage) override { return true; }
  void OnClosed(const absl::Status&) override {}
};

FakeScheduler::FakeScheduler() {
  rpc::ServerOptions options;
  options.addresses = {"127.0.0.1:0"};
  auto server = rpc::Server::Start(options, {this});
  PENSTOCK_CHECK(server.ok(), "the fake scheduler can listen");
  server_ = *std::move(server);
  address_ = server_->addresses().front();
}

FakeScheduler::~FakeScheduler() { Stop(); }

void FakeScheduler::Stop() { server_->Shutdown(absl::ZeroDuration()); }

void FakeScheduler::Own(int32_t domain, int64_t epoch) {
  v1::SchedulerMessage message;
  v1::DomainOffer* offer = message.add_offers();
  offer->set_domain(domain);
  offer->set_epoch(epoch);
  MutexLock lock(&mu_);
  domains_[domain] = epoch;
  for (const auto& stream : streams_) stream->Send(message);
}

void FakeScheduler::Disown(int32_t domain) {
  MutexLock lock(&mu_);
  domains_.erase(domain);
}

void FakeScheduler::AcknowledgeResults(bool yes) {
  MutexLock lock(&mu_);
  acknowledge_ = yes;
}

void FakeScheduler::ConfirmRenewals(bool yes) {
  MutexLock lock(&mu_);
  confirm_ = yes;
}

void FakeScheduler::SetTerm(int64_t term_ms) {
  MutexLock lock(&mu_);
  term_ms_ = term_ms;
}

void FakeScheduler::SetIncarnation(int64_t incarnation) {
  MutexLock lock(&mu_);
  incarnation_ = incarnation;
}

void FakeScheduler::AddVersion(int64_t id, std::string canonical_json, std::string bundle_hash) {
  v1::GetVersionResponse version;
  version.set_namespace_("team");
  version.set_canonical_json(std::move(canonical_json));
  version.set_bundle_hash(std::move(bundle_hash));
  MutexLock lock(&mu_);
  versions_[id] = std::move(version);
}

void FakeScheduler::AddBundle(std::string hash, std::string bytes) {
  MutexLock lock(&mu_);
  bundles_[std::move(hash)] = std::move(bytes);
}

void FakeScheduler::StoreLogs(bool yes) {
  MutexLock lock(&mu_);
  store_logs_ = yes;
}

void FakeScheduler::Send(v1::SchedulerMessage message) {
  MutexLock lock(&mu_);
  PENSTOCK_CHECK(!streams_.empty(), "a stream is open");
  for (const v1::Assignment& assignment : message.assignments()) {
    --heard_.credits[assignment.domain()];
  }
  streams_.back()->Send(std::move(message));
}

void FakeScheduler::Assign(int32_t domain, int64_t epoch, const AttemptKey& key, int64_t version) {
  v1::SchedulerMessage message;
  v1::Assignment* assignment = message.add_assignments();
  assignment->set_domain(domain);
  assignment->set_epoch(epoch);
  ToProto(key, assignment->mutable_attempt());
  assignment->set_version_id(version);
  assignment->set_try_number(1);
  assignment->set_params_json(R"({"who":"you"})");
  Send(std::move(message));
}

void FakeScheduler::BreakStreams() {
  std::vector<std::shared_ptr<Out>> streams;
  {
    MutexLock lock(&mu_);
    streams = streams_;
  }
  for (const auto& stream : streams) {
    stream->Cancel(MakeStatus(absl::StatusCode::kUnavailable, "broken on purpose"));
  }
}

bool FakeScheduler::Await(const std::function<bool(const Heard&)>& holds) {
  const SteadyTime give_up = RealClock().Steady() + kPatience;
  MutexLock lock(&mu_);
  while (!holds(heard_)) {
    const absl::Duration left = give_up - RealClock().Steady();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitWithTimeout(&mu_, left);
  }
  return true;
}

FakeScheduler::Heard FakeScheduler::heard() {
  MutexLock lock(&mu_);
  return heard_;
}

// ---- The service ----

grpc::ServerBidiReactor<v1::WorkerMessage, v1::SchedulerMessage>* FakeScheduler::Control(
    grpc::CallbackServerContext* context) {
  return rpc::AcceptStream<v1::WorkerMessage, v1::SchedulerMessage>(
      context, {}, [this](std::shared_ptr<Out> stream) {
        return std::make_shared<ControlHandler>(*this, std::move(stream));
      });
}

void FakeScheduler::Take(const std::shared_ptr<Out>& stream, const v1::WorkerMessage& message) {
  MutexLock lock(&mu_);
  v1::SchedulerMessage answer = Answer(stream, message);
  if (answer.ByteSizeLong() > 0) stream->Send(std::move(answer));
  changed_.SignalAll();
}

v1::SchedulerMessage FakeScheduler::Answer(const std::shared_ptr<Out>& stream,
                                           const v1::WorkerMessage& message) {
  v1::SchedulerMessage answer;
  const bool is_known = std::find(streams_.begin(), streams_.end(), stream) != streams_.end();
  if (message.has_hello() == is_known)
    heard_.violations.emplace_back("hello comes first, and once");
  if (message.has_hello()) {
    streams_.push_back(stream);
    ++heard_.streams;
    heard_.hellos.push_back(message.hello());
    answer.mutable_welcome()->set_incarnation(incarnation_);
    answer.mutable_welcome()->set_session_term_ms(term_ms_);
    for (const auto& [domain, epoch] : domains_) {
      answer.add_offers()->set_domain(domain);
      answer.mutable_offers()->rbegin()->set_epoch(epoch);
    }
  }
  for (const v1::DomainHello& hello : message.domain_hellos()) {
    heard_.domain_hellos.push_back(hello);
    heard_.credits[hello.domain()] = hello.credits();
    bound_[hello.domain()] = stream;
    for (const v1::Result& result : hello.unacknowledged()) Note(result, &answer);
  }
  for (const v1::CreditGrant& grant : message.credits()) {
    if (grant.credits() <= 0) heard_.violations.emplace_back("a grant of nothing");
    heard_.credits[grant.domain()] += grant.credits();
  }
  for (const v1::Started& started : message.started()) heard_.started.push_back(started);
  for (const v1::Result& result : message.results()) Note(result, &answer);
  for (const v1::HandBack& back : message.hand_backs()) heard_.hand_backs.push_back(back);
  if (message.has_renew()) {
    ++heard_.renewals;
    answer.mutable_renewed()->set_sequence(message.renew().sequence());
    for (const auto& [domain, bound] : bound_) {
      if (confirm_ && bound == stream) answer.mutable_renewed()->add_domains(domain);
    }
  }
  heard_.draining |= message.draining();
  return answer;
}

void FakeScheduler::Note(const v1::Result& result, v1::SchedulerMessage* answer) {
  heard_.results.push_back(result);
  if (!acknowledge_) return;
  v1::ResultAck* ack = answer->add_acks();
  ack->set_domain(result.domain());
  *ack->mutable_attempt() = result.attempt();
}

void FakeScheduler::Gone(const std::shared_ptr<Out>& stream) {
  MutexLock lock(&mu_);
  heard_.streams -= static_cast<int>(std::erase(streams_, stream));
  std::erase_if(bound_, [&](const auto& bound) { return bound.second == stream; });
  changed_.SignalAll();
}

grpc::ServerBidiReactor<v1::LogBatch, v1::LogAcks>* FakeScheduler::Bulk(
    grpc::CallbackServerContext* context) {
  return rpc::AcceptStream<v1::LogBatch, v1::LogAcks>(
      context, {}, [this](std::shared_ptr<rpc::Stream<v1::LogAcks>> stream) {
        return std::make_shared<BulkHandler>(*this, std::move(stream));
      });
}

grpc::ServerUnaryReactor* FakeScheduler::GetVersion(grpc::CallbackServerContext* context,
                                                    const v1::GetVersionRequest* request,
                                                    v1::GetVersionResponse* response) {
  MutexLock lock(&mu_);
  const auto version = versions_.find(request->version_id());
  auto* reactor = context->DefaultReactor();
  if (version == versions_.end()) {
    reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no such version"));
  } else {
    *response = version->second;
    reactor->Finish(grpc::Status::OK);
  }
  return reactor;
}

grpc::ServerWriteReactor<v1::BundleChunk>* FakeScheduler::GetBundle(
    grpc::CallbackServerContext* context, const v1::GetBundleRequest* request) {
  return rpc::AcceptWriter<v1::BundleChunk>(
      context, {}, [&](const std::shared_ptr<rpc::Stream<v1::BundleChunk>>& stream) {
        MutexLock lock(&mu_);
        const std::string& bytes = bundles_[request->hash()];
        for (size_t at = 0; at < bytes.size(); at += 7) {
          v1::BundleChunk chunk;
          chunk.set_data(bytes.substr(at, 7));
          stream->Send(std::move(chunk));
        }
        stream->Close(absl::OkStatus());
        return std::make_shared<NullHandler>();
      });
}

grpc::ServerUnaryReactor* FakeScheduler::ReportSessionDeath(
    grpc::CallbackServerContext* context, const v1::ReportSessionDeathRequest* request,
    v1::ReportSessionDeathResponse*) {
  MutexLock lock(&mu_);
  heard_.deaths.push_back(request->session_id());
  changed_.SignalAll();
  auto* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace penstock::worker
