#pragma once
// Crowds for tests of load: workers that take no work and clients that watch a run.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/channel.h"
#include "common/rpc/stream.h"
#include "common/service/loop_thread.h"
#include "penstock/v1/control.grpc.pb.h"
#include "penstock/v1/worker.grpc.pb.h"

namespace penstock::bench {

struct HerdOptions {
  std::vector<std::string> schedulers;  // each worker has a connection to each
  int count = 1000;                     // at least 1
  int credits = 0;                      // of each worker, for each domain
  std::string queue = "herd";
};

// Workers as the scheduler sees them, without anything behind: each has a session of its own, says
// hello to every domain that it is offered, renews its leases, and comes back by itself when it is
// cut off. What it is given it holds for ever. Not thread-safe.
class WorkerHerd {
 public:
  // All of them begin to connect at once.
  explicit WorkerHerd(const HerdOptions& options);
  ~WorkerHerd();
  WorkerHerd(const WorkerHerd&) = delete;
  WorkerHerd& operator=(const WorkerHerd&) = delete;

  // Connections on which a lease has been confirmed since they were made.
  int bound() const { return bound_; }
  // Attempts that were given to them.
  int64_t held() const { return held_; }
  // How often one was told that its session is lost.
  int64_t lost() const { return lost_; }

 private:
  class Session;
  struct Work;
  struct Link;
  void Connect(Link& link);
  void Step();

  const HerdOptions options_;
  std::atomic<int> bound_{0};
  std::atomic<int64_t> lost_{0}, held_{0};
  std::vector<std::unique_ptr<Link>> links_;
  service::LoopThread loop_;
};

// Streams that watch one run and count what they are told. Not thread-safe.
class WatchCrowd {
 public:
  // `streams` calls on `connections` connections.
  WatchCrowd(const std::string& address, int64_t run, int streams, int connections);
  ~WatchCrowd();  // ends them
  WatchCrowd(const WatchCrowd&) = delete;
  WatchCrowd& operator=(const WatchCrowd&) = delete;

  // Streams that have heard something, and that have ended as OK, and otherwise.
  int heard() const { return heard_; }
  int ended() const { return ended_; }
  int failed() const { return failed_; }

 private:
  class Watcher;
  std::atomic<int> heard_{0}, ended_{0}, failed_{0};
  std::vector<std::shared_ptr<grpc::Channel>> channels_;  // shared with gRPC's stubs
  std::vector<std::unique_ptr<v1::ControlService::Stub>> stubs_;
  std::vector<std::shared_ptr<rpc::Stream<rpc::NoMessage>>> streams_;  // shared with gRPC's side
};

}  // namespace penstock::bench
