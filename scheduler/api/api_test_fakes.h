#pragma once
// A small cluster in memory for tests of the API: one catalog, any number of nodes, each an engine
// and a real gRPC server on a port of its own.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/dag/spec.h"
#include "common/logstore/log_store.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "common/service/event.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_signal.h"
#include "penstock/v1/control.grpc.pb.h"
#include "penstock/v1/worker.grpc.pb.h"
#include "scheduler/api/api.h"
#include "scheduler/api/api_test_catalog.h"
#include "scheduler/engine/errors.h"

namespace penstock::api::testing {

using ::penstock::testing::TestSignal;

// What all nodes agree on.
struct World {
  FakeCatalog catalog;
  TestSignal signal;
  Mutex mu;
  std::map<DomainId, SchedulerId> owners ABSL_GUARDED_BY(mu);
  std::map<SchedulerId, std::string> addresses ABSL_GUARDED_BY(mu);
  std::map<RunId, core::RunView> live ABSL_GUARDED_BY(mu);
  std::map<core::TaskKey, core::TaskView> tasks ABSL_GUARDED_BY(mu);
  std::map<core::TaskKey, core::Explanation> explanations ABSL_GUARDED_BY(mu);
  std::map<std::string, core::PoolRow> pools ABSL_GUARDED_BY(mu);
  std::vector<core::SessionView> sessions ABSL_GUARDED_BY(mu);
  int64_t next_run ABSL_GUARDED_BY(mu) = 100;

  void Own(DomainId domain, int node) {
    MutexLock lock(&mu);
    if (node == 0) {
      owners.erase(domain);
    } else {
      owners[domain] = SchedulerId(node);
    }
  }
};

// The engine of node `self`: carries commands out in the world at once.
class FakeEngine final : public engine::Engine {
 public:
  FakeEngine(World* world, int self) : world_(*world), self_(self) {}

  absl::StatusOr<engine::Place> Locate(DomainId domain) const override {
    MutexLock lock(&world_.mu);
    const auto owner = world_.owners.find(domain);
    world_.signal.Announce("locate");
    if (owner == world_.owners.end()) return absl::UnavailableError("nobody owns the domain");
    engine::Place place;
    place.local = owner->second == self_;
    place.owner = owner->second;
    place.address = world_.addresses[owner->second];
    place.epoch = Epoch(1);
    return place;
  }
  void Execute(DomainId domain, core::CommandBody command, std::string, Done done) override {
    core::Reply reply;
    const auto place = Locate(domain);
    const bool refuse = refusals_.fetch_sub(1) > 0;
    if (refuse || !place.ok() || !place->local) {
      reply.status = engine::NotOwner();
    } else {
      std::visit([&](const auto& body) { Do(body, &reply); }, command);
    }
    if (lost_answers_.exchange(0) > 0) {
      reply.status = engine::InDoubt("the answer was lost");
      if (loses_domain_) world_.Own(domain, 0);
    }
    world_.signal.Announce("execute");
    done(std::move(reply));
  }
  void Read(DomainId, std::function<void(const core::Domain&)>,
            std::function<void(absl::Status)> done) override {
    done(engine::NotOwner());  // tests look through FakeViews
  }
  std::shared_ptr<void> WatchRun(DomainId domain, RunId, std::function<void()> changed) override {
    const auto place = Locate(domain);
    if (!place.ok() || !place->local) return nullptr;
    auto handle = std::make_shared<std::function<void()>>(std::move(changed));
    MutexLock lock(&mu_);
    watches_.push_back(handle);
    world_.signal.Announce("watch");
    return handle;
  }
  store::FleetView View() const override {
    MutexLock lock(&world_.mu);
    store::FleetView view;
    view.incarnation = Incarnation(7);
    for (const auto& [id, address] : world_.addresses) {
      store::SchedulerRow row;
      row.id = id;
      row.address = address;
      view.schedulers.push_back(row);
    }
    for (const auto& [domain, owner] : world_.owners) {
      store::DomainRow row;
      row.id = domain;
      row.owner = owner;
      row.epoch = Epoch(1);
      view.domains.push_back(row);
    }
    return view;
  }
  SchedulerId self() const override { return self_; }
  void InboxHint(DomainId) override { world_.signal.Announce("hint"); }
  bool Ready() const override {
    world_.signal.Announce("ready " + std::to_string(self_.value()));
    return beat_age_ms_ < 3000;
  }
  absl::Duration SinceBeat() const override {
    world_.signal.Announce("since beat " + std::to_string(self_.value()));
    return absl::Milliseconds(beat_age_ms_.load());
  }
  void GiveUpWaiting() override { world_.signal.Announce("give up"); }

  // Its last beat is so old.
  void SetBeatAge(absl::Duration age) { beat_age_ms_ = absl::ToInt64Milliseconds(age); }
  // The next command is carried out, but its answer is that nobody knows; and nobody owns the
  // domain any more.
  void LoseNextAnswer(bool and_domain = false) {
    loses_domain_ = and_domain;
    lost_answers_ = 1;
  }
  // The next run is of another version than the one that was looked up: the DAG has changed.
  void CreateInOtherVersion() { other_version_ = 1; }
  // The next `count` commands are refused as if the domain had just moved.
  void RefuseNext(int count) { refusals_ = count; }
  // The next retry of a run finds that it has ended since its rows were read.
  void EndRunBeforeRetry() { ended_late_ = 1; }
  void TellWatches() {
    std::vector<std::shared_ptr<std::function<void()>>> due;
    {
      MutexLock lock(&mu_);
      for (const auto& weak : watches_) {
        if (auto watch = weak.lock()) due.push_back(std::move(watch));
      }
    }
    for (const auto& watch : due) (*watch)();
  }

 private:
  void Do(const core::CreateRuns& command, core::Reply* reply) {
    for (const core::NewRun& wanted : command.runs) {
      core::RunRow row;
      {
        MutexLock lock(&world_.mu);
        row.id = RunId(world_.next_run++);
      }
      row.dag = wanted.dag;
      row.version = world_.catalog.DagById(wanted.dag)->row.version;
      if (other_version_.exchange(0) > 0) row.version = VersionId(row.version.value() + 1);
      row.key = wanted.key.empty() ? "run-" + std::to_string(row.id.value()) : wanted.key;
      row.idempotency_key = wanted.idempotency_key;
      row.logical_date_us = wanted.logical_date_us;
      row.params_json = wanted.params_json;
      row.note = wanted.note;
      row.state = core::RunState::kRunning;
      world_.catalog.PutRun(row);
      reply->runs.push_back(row);
      reply->existed.push_back(false);
    }
  }
  void Do(const core::ApplyDag& command, core::Reply*) { world_.catalog.PutDag(command.dag); }
  void Do(const core::SetDagPaused& command, core::Reply*) {
    core::DagRow row = world_.catalog.DagById(command.dag)->row;
    row.paused = command.paused;
    world_.catalog.PutDag(row);
  }
  void Do(const core::DeleteDag& command, core::Reply*) { world_.catalog.DropDag(command.dag); }
  void Do(const core::CancelRun& command, core::Reply* reply) {
    core::RunRow row = world_.catalog.GetRun(command.run)->row;
    row.state = core::RunState::kCancelled;
    world_.catalog.PutRun(row);
    reply->runs.push_back(row);
  }
  void Do(const core::RetryRun& command, core::Reply* reply) {
    if (ended_late_.exchange(0) > 0) {
      reply->status = absl::AbortedError("the run has ended since it was looked up");
      return;
    }
    if (command.loaded == nullptr) {
      reply->status = absl::NotFoundError("the run does not exist any more");
      return;
    }
    core::RunRow row = command.loaded->runs.front();
    row.state = core::RunState::kRunning;
    world_.catalog.PutRun(row);
    reply->runs.push_back(row);
  }
  void Do(const core::SetPool& command, core::Reply*) {
    MutexLock lock(&world_.mu);
    world_.pools[command.pool.name] = command.pool;
  }
  void Do(const core::DeletePool& command, core::Reply* reply) {
    MutexLock lock(&world_.mu);
    if (world_.pools.erase(command.name) == 0) reply->status = absl::NotFoundError("no such pool");
  }
  void Do(const core::AddNamespace&, core::Reply*) { world_.signal.Announce("namespace"); }
  void Do(const core::DrainWorker&, core::Reply* reply) { reply->sessions = 2; }

  World& world_;
  const SchedulerId self_;
  std::atomic<int> refusals_{0};
  std::atomic<int> ended_late_{0};
  std::atomic<int> other_version_{0};
  std::atomic<int> lost_answers_{0};
  std::atomic<bool> loses_domain_{false};
  std::atomic<int64_t> beat_age_ms_{100};
  Mutex mu_;
  std::vector<std::weak_ptr<std::function<void()>>> watches_ ABSL_GUARDED_BY(mu_);
};

// Shows the world's live state to whoever owns the domain.
class FakeViews final : public DomainViews {
 public:
  FakeViews(World* world, FakeEngine* engine) : world_(*world), engine_(*engine) {}

  void Run(DomainId domain, RunId run, Then<std::optional<core::RunView>> then) override {
    Show<std::optional<core::RunView>>(domain, then, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      const auto it = world_.live.find(run);
      return it == world_.live.end() ? std::nullopt : std::optional(it->second);
    });
  }
  void Tasks(DomainId domain, std::vector<core::TaskKey> keys,
             Then<std::vector<std::optional<core::TaskView>>> then) override {
    Show<std::vector<std::optional<core::TaskView>>>(
        domain, then, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          std::vector<std::optional<core::TaskView>> views;
          for (const core::TaskKey& key : keys) {
            const auto it = world_.tasks.find(key);
            views.push_back(it == world_.tasks.end() ? std::nullopt : std::optional(it->second));
          }
          return views;
        });
  }
  void Explain(DomainId domain, const core::TaskKey& key,
               Then<std::optional<core::Explanation>> then) override {
    Show<std::optional<core::Explanation>>(domain, then, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      const auto it = world_.explanations.find(key);
      return it == world_.explanations.end() ? std::nullopt : std::optional(it->second);
    });
  }
  void Pools(DomainId domain, Then<std::vector<core::PoolView>> then) override {
    Show<std::vector<core::PoolView>>(domain, then, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      std::vector<core::PoolView> views;
      for (const auto& [name, row] : world_.pools) views.push_back({row, 1, 2});
      return views;
    });
  }
  void Queues(DomainId domain, Then<std::vector<core::QueueView>> then) override {
    Show<std::vector<core::QueueView>>(domain, then, [] {
      return std::vector<core::QueueView>{{"default", 5, 4, 3, 2}};
    });
  }
  void Sessions(DomainId domain, Then<std::vector<core::SessionView>> then) override {
    Show<std::vector<core::SessionView>>(
        domain, then, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return world_.sessions; });
  }

 private:
  // `get` runs under the world's lock, which the analysis cannot see.
  template <typename T, typename Get>
  void Show(DomainId domain, const Then<T>& then, const Get& get) {
    const auto place = engine_.Locate(domain);
    if (!place.ok() || !place->local) return then(engine::NotOwner());
    absl::StatusOr<T> value;
    {
      MutexLock lock(&world_.mu);
      value = get();
    }
    then(std::move(value));
  }
  World& world_;
  FakeEngine& engine_;
};

// A log store in memory. Thread-safe.
class FakeLogs final : public logstore::LogStore {
 public:
  absl::StatusOr<logstore::LogState> Append(
      const logstore::AttemptRef& ref, const std::vector<logstore::LogChunk>& chunks) override {
    MutexLock lock(&mu_);
    Log& log = logs_[ref];
    for (const logstore::LogChunk& chunk : chunks) {
      if (chunk.offset > log.stored) return absl::OutOfRangeError("a gap");
      const int64_t known = log.stored - chunk.offset;
      if (known < static_cast<int64_t>(chunk.bytes.size())) {
        log.records.push_back({log.stored, chunk.stream, chunk.at,
                               std::string(chunk.bytes.substr(static_cast<size_t>(known))),
                               chunk.truncated});
        log.stored += static_cast<int64_t>(log.records.back().bytes.size());
      }
      log.ended = log.ended || chunk.end;
    }
    return logstore::LogState{log.stored, log.stored, log.ended, false};
  }
  absl::StatusOr<logstore::LogState> Stat(const logstore::AttemptRef& ref) override {
    MutexLock lock(&mu_);
    const Log& log = logs_[ref];
    return logstore::LogState{log.stored, log.stored, log.ended, false};
  }
  absl::StatusOr<logstore::LogSlice> Read(const logstore::AttemptRef& ref, int64_t offset, int64_t,
                                          int64_t) override {
    MutexLock lock(&mu_);
    const Log& log = logs_[ref];
    logstore::LogSlice slice;
    slice.next_offset = offset;
    for (logstore::LogRecord record : log.records) {
      const int64_t end = record.offset + static_cast<int64_t>(record.bytes.size());
      if (end <= offset) continue;
      if (record.offset < offset) {
        record.bytes.erase(0, static_cast<size_t>(offset - record.offset));
        record.offset = offset;
      }
      slice.next_offset = end;
      slice.records.push_back(record);
    }
    slice.ended = log.ended && slice.next_offset >= log.stored;
    return slice;
  }
  absl::Status DeleteRun(RunId) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<RunId>> Runs() override { return std::vector<RunId>(); }

  void Add(const logstore::AttemptRef& ref, int64_t offset, std::string_view text,
           bool end = false) {
    logstore::LogChunk chunk;
    chunk.offset = offset;
    chunk.bytes = text;
    chunk.end = end;
    ASSERT_TRUE(Append(ref, {chunk}).ok());
  }

 private:
  struct Log {
    int64_t stored = 0;
    bool ended = false;
    std::vector<logstore::LogRecord> records;
  };
  Mutex mu_;
  std::map<logstore::AttemptRef, Log> logs_ ABSL_GUARDED_BY(mu_);
};

class NullObserver final : public ApiObserver {
 public:
  void Answered(std::string_view, absl::StatusCode, absl::Duration) override {}
  void StreamOpen(std::string_view, int) override {}
};

// One scheduler of the cluster, served on a real port.
class Node {
 public:
  Node(World* world, int number)
      : engine(world, number), views(world, &engine), api(Options(), Links(&world->catalog)) {
    api.Start();
    rpc::ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.max_message_bytes = kMaxMessageBytes;
    auto started = rpc::Server::Start(options, api.services());
    EXPECT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    {
      MutexLock lock(&world->mu);
      world->addresses[SchedulerId(number)] = server_->addresses()[0];
    }
    channel = rpc::MakeChannel(server_->addresses()[0], {});
    control = v1::ControlService::NewStub(channel);
    worker = v1::WorkerService::NewStub(channel);
  }
  ~Node() { Stop(); }
  void Stop() {
    api.StopWaiting();
    server_->Shutdown(absl::Milliseconds(50));
    api.Stop();
  }

  NullObserver observer;
  FakeEngine engine;
  FakeViews views;
  FakeLogs logs;
  engine::SessionHub hub{RealClock()};
  Api api;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::ControlService::Stub> control;
  std::unique_ptr<v1::WorkerService::Stub> worker;

 private:
  static ApiOptions Options() {
    ApiOptions options;
    options.work_threads = 4;
    options.version = "1.2.3";
    options.isolation_interval = absl::Milliseconds(2);
    options.router.first_pause = absl::Milliseconds(1);
    options.router.last_pause = absl::Milliseconds(5);
    options.control.watch.pause = absl::Milliseconds(2);
    options.control.watch.look = absl::Milliseconds(5);
    options.control.logs.poll = absl::Milliseconds(2);
    options.control.logs.grace = absl::Milliseconds(20);
    return options;
  }
  ApiLinks Links(store::Catalog* catalog) {
    return {engine, hub, *catalog, logs, observer, RealClock(), &views, nullptr};
  }
  std::unique_ptr<rpc::Server> server_;
};

// Two nodes; the first owns domain 1, the namespace "default".
class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest() { world_.Own(DomainId(1), 1); }

  static std::unique_ptr<grpc::ClientContext> Context(absl::Duration timeout = absl::Seconds(20)) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(timeout));
    return context;
  }
  // Applies a DAG through `node`; its tasks are a -> b -> c.
  static v1::ApplyDagResponse ApplyChain(Node& node, const std::string& name = "chain") {
    v1::ApplyDagRequest request;
    request.set_yaml("dag: " + name +
                     "\nparams: {region: {type: string, default: eu}}\n"
                     "tasks:\n  a: {sh: 'true'}\n  b: {sh: 'true', needs: a}\n"
                     "  c: {sh: 'true', needs: b}\n");
    v1::ApplyDagResponse response;
    const grpc::Status status = node.control->ApplyDag(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static v1::Run Create(Node& node, const std::string& dag = "chain") {
    v1::CreateRunRequest request;
    request.set_dag(dag);
    v1::Run run;
    const grpc::Status status = node.control->CreateRun(Context().get(), request, &run);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return run;
  }

  World world_;
  Node first_{&world_, 1};
  Node second_{&world_, 2};
};

}  // namespace penstock::api::testing
