#include "tests/bench/api_load.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/rpc/status.h"

namespace penstock::bench {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(30);

v1::CreateRunsRequest MakeRequest(const ApiLoadOptions& options) {
  v1::CreateRunsRequest request;
  for (int i = 0; i < options.runs_per_call; ++i) {
    v1::CreateRunRequest* run = request.add_runs();
    run->set_dag(options.dag);
    run->set_params_json(options.params_json);
  }
  return request;
}

}  // namespace

// One call after the other. Its members belong to the call under way, then to whoever stops it.
class ApiLoad::Caller {
 public:
  Caller(const ApiLoadOptions& options, const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::ControlService::NewStub(channel)), request_(MakeRequest(options)) {}

  void Send() {
    context_.emplace();
    context_->set_deadline(absl::ToChronoTime(RealClock().Wall() + kCallTimeout));
    begin_ = RealClock().Steady();
    const auto answered = [this](const grpc::Status& status) { Answered(status); };
    if (request_.runs_size() == 0) {
      stub_->async()->GetCluster(&*context_, &question_, &cluster_, answered);
    } else if (request_.runs_size() == 1) {
      stub_->async()->CreateRun(&*context_, &request_.runs(0), &run_, answered);
    } else {
      stub_->async()->CreateRuns(&*context_, &request_, &runs_, answered);
    }
  }

  void Stop() { stop_ = true; }
  // After Stop(), until the last call is answered.
  const ApiLoadResult& Wait() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    while (!ended_) changed_.Wait(&mu_);
    return result_;
  }

 private:
  void Answered(const grpc::Status& status) {
    if (status.ok()) {
      result_.runs += std::max(1, request_.runs_size());
      result_.micros.push_back(absl::ToDoubleMicroseconds(RealClock().Steady() - begin_));
    } else {
      const absl::Status refusal = rpc::FromGrpc(status);
      ++result_.refused[refusal.code()];
      if (rpc::RetryAfter(refusal).has_value()) ++result_.hinted;
    }
    if (!stop_) return Send();
    MutexLock lock(&mu_);
    ended_ = true;
    changed_.SignalAll();
  }

  const std::unique_ptr<v1::ControlService::Stub> stub_;
  const v1::CreateRunsRequest request_;
  std::optional<grpc::ClientContext> context_;
  v1::Run run_;
  v1::CreateRunsResponse runs_;
  const v1::GetClusterRequest question_;
  v1::Cluster cluster_;
  SteadyTime begin_;
  ApiLoadResult result_;
  std::atomic<bool> stop_{false};
  Mutex mu_;
  CondVar changed_;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

ApiLoad::ApiLoad(const ApiLoadOptions& options) : begin_(RealClock().Steady()) {
  for (int i = 0; i < options.clients; ++i) {
    channels_.push_back(rpc::MakeChannel(options.address, {}));
    for (int j = 0; j < options.calls_per_client; ++j) {
      callers_.push_back(std::make_unique<Caller>(options, channels_.back()));
    }
  }
  for (const auto& caller : callers_) caller->Send();
}

ApiLoad::~ApiLoad() { Stop(); }

ApiLoadResult ApiLoad::Stop() {
  ApiLoadResult sum;
  sum.length = RealClock().Steady() - begin_;
  for (const auto& caller : callers_) caller->Stop();
  for (const auto& caller : callers_) {
    const ApiLoadResult& one = caller->Wait();
    sum.runs += one.runs;
    sum.hinted += one.hinted;
    sum.micros.insert(sum.micros.end(), one.micros.begin(), one.micros.end());
    for (const auto& [code, count] : one.refused) sum.refused[code] += count;
  }
  return sum;
}

ApiLoadResult LoadFor(const ApiLoadOptions& options, absl::Duration length) {
  ApiLoad load(options);
  absl::SleepFor(length);
  return load.Stop();
}

}  // namespace penstock::bench
