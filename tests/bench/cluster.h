#pragma once
// A cluster of the real binaries for one measurement: started, asked and stopped from here.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/lib/client.h"

namespace penstock::bench {

struct ClusterOptions {
  std::string bin_dir;   // where `penstock` and the others are
  std::string data_dir;  // made, and removed at the end
  int schedulers = 1;
  int workers = 1;
  int slots = 4;  // of each worker
};

// What standalone.json tells.
struct ClusterFacts {
  std::string address;
  std::string socket_dir;
  // Every process by role: supervisor, postgres (its children too), scheduler, worker, guardian.
  std::map<std::string, std::vector<pid_t>> pids;
};

// `penstock standalone --detach` for as long as this lives. One thread at a time.
class Cluster {
 public:
  static absl::StatusOr<std::unique_ptr<Cluster>> Start(const ClusterOptions& options);
  // One that somebody else has started and will stop; without Facts().
  static std::unique_ptr<Cluster> Attach(const std::string& address);
  // Stops what Start() has started and removes its data.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  client::Client& client() { return *client_; }
  // Read anew: PostgreSQL's processes come and go.
  absl::StatusOr<ClusterFacts> Facts() const;
  // Processor time so far of postgres, scheduler and worker; of PostgreSQL's helpers, which come
  // and go, those of this moment. Empty when the cluster does not say what it is made of.
  std::map<std::string, absl::Duration> CpuUsed() const;
  // A client of one's own, for another thread.
  std::unique_ptr<client::Client> NewClient() const;

  absl::Status Apply(const std::string& yaml);
  // Triggers `count` runs. Their ids, in order.
  absl::StatusOr<std::vector<int64_t>> Trigger(client::Client& with, const std::string& dag,
                                               int count);
  // Until no run of the namespace is live. An error if one has failed.
  absl::Status WaitForAll(absl::Duration at_most);

 private:
  Cluster() = default;
  ClusterOptions options_;
  std::string address_;
  std::unique_ptr<client::Client> client_;
};

}  // namespace penstock::bench
