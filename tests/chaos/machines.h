#pragma once
// A network namespace for each part of a fleet, as if each had a machine of its own: what is sent
// may be lost without a word, which no proxy on the way can show. Linux, root and iproute2.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace penstock::chaos {

// Addresses are of 127.1.0.0/24, routed between the namespaces, so that nothing listens beyond
// loopback here, either. One thread at a time. Errors: NOT_FOUND for a machine that there is not,
// INTERNAL with what ip(8) says.
class Machines {
 public:
  // Moves this process, and all that it starts from then on, into a network and a list of mounts
  // that end with it. To be called once, before there are other threads. PERMISSION_DENIED when
  // the process may not.
  static absl::Status Isolate();

  // The switch that all are plugged into, at which the calling process itself has an address.
  // After Isolate().
  static absl::StatusOr<std::unique_ptr<Machines>> Create();
  ~Machines();  // with all machines
  Machines(const Machines&) = delete;
  Machines& operator=(const Machines&) = delete;

  // A machine that all others reach, under the address that is returned. `name`: at most 12
  // letters.
  absl::StatusOr<std::string> Add(const std::string& name);
  // What a command line begins with for the program to run there.
  static std::vector<std::string> CommandPrefix(const std::string& name);
  // Calls `work` with the calling thread on that machine.
  static absl::Status On(const std::string& name, const std::function<absl::Status()>& work);

  // From now on what `from` sends to `to` is lost.
  absl::Status Lose(const std::string& from, const std::string& to);
  // The machine's cable is pulled: nothing reaches it or leaves it.
  absl::Status Unplug(const std::string& name);
  // Ends what Lose() and Unplug() have done, as far as it can; the first error.
  absl::Status Heal();

 private:
  Machines() = default;
  std::map<std::string, std::string> addresses_;
  std::vector<std::pair<std::string, std::string>> lost_;  // machine, address that it cannot reach
  std::vector<std::string> unplugged_;
};

}  // namespace penstock::chaos
