#pragma once
// Clients that submit runs without a pause: each has a connection of its own and sends the next
// call as soon as the last one is answered, whatever the answer was.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/rpc/channel.h"
#include "penstock/v1/control.grpc.pb.h"

namespace penstock::bench {

struct ApiLoadOptions {
  std::string address;
  std::string dag;           // of the namespace "default"
  int clients = 50;          // connections
  int calls_per_client = 1;  // under way at once on each
  int runs_per_call = 1;     // 1 = CreateRun, more = CreateRuns, 0 = GetCluster
  std::string params_json;   // of each run
};

struct ApiLoadResult {
  absl::Duration length;
  int64_t runs = 0;            // acknowledged; calls when they ask for no runs
  std::vector<double> micros;  // of each acknowledged call, from sending to the answer
  std::map<absl::StatusCode, int64_t> refused;  // calls by the code of their answer
  int64_t hinted = 0;                           // of these, how many said when to come again

  double runs_per_second() const {
    return static_cast<double>(runs) / absl::ToDoubleSeconds(length);
  }
};

// Starts at once. Not thread-safe; the calls run on gRPC's threads.
class ApiLoad {
 public:
  explicit ApiLoad(const ApiLoadOptions& options);
  ~ApiLoad();  // Stop()
  ApiLoad(const ApiLoad&) = delete;
  ApiLoad& operator=(const ApiLoad&) = delete;

  // Sends no more, waits for the answers and says what they were. May come twice.
  ApiLoadResult Stop();

 private:
  class Caller;
  const SteadyTime begin_;
  // Before the callers: a call must never hold the last channel (common/rpc/stream.h).
  std::vector<std::shared_ptr<grpc::Channel>> channels_;  // shared with gRPC's stubs
  std::vector<std::unique_ptr<Caller>> callers_;
};

// Loads for `length`.
ApiLoadResult LoadFor(const ApiLoadOptions& options, absl::Duration length);

}  // namespace penstock::bench
