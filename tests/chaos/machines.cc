#include "tests/chaos/machines.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/process/spawn.h"
#include "common/process/unique_fd.h"
#include "fmt/format.h"

namespace penstock::chaos {
namespace {

constexpr char kDirectory[] = "/run/netns";  // where ip(8) keeps its namespaces
constexpr char kSwitch[] = "switch";
constexpr char kSwitchAddress[] = "127.1.0.254/24";
// Nobody's: what goes to it is seen by all and taken by none.
constexpr char kNobody[] = "02:00:00:00:00:01";

absl::Status SystemError(const std::string& what) {
  const std::string text = fmt::format("{}: {}", what, std::strerror(errno));
  return errno == EPERM ? absl::PermissionDeniedError(text) : absl::InternalError(text);
}

// ip(8), with the words of `arguments`.
absl::Status Ip(const std::string& arguments) {
  process::ProcessSpec spec;
  spec.argv = absl::StrSplit("ip " + arguments, ' ');
  PENSTOCK_ASSIGN_OR_RETURN(const auto result, process::RunCommand(spec, absl::Seconds(20)));
  if (result.ok()) return absl::OkStatus();
  return absl::InternalError(fmt::format("ip {}: {}", arguments, result.output));
}

std::string Path(const std::string& name) { return fmt::format("{}/{}", kDirectory, name); }
std::string PortOf(const std::string& name) { return "to-" + name; }

// Of the network that the calling thread is in: only one address stays with its loopback device,
// and the others of 127.0.0.0/8 may be somewhere else.
absl::Status PrepareLoopback() {
  constexpr char kSwitchOn[] = "/proc/sys/net/ipv4/conf/all/route_localnet";
  if (!(std::ofstream(kSwitchOn) << "1" << std::flush)) return SystemError(kSwitchOn);
  PENSTOCK_RETURN_IF_ERROR(Ip("link set lo up"));
  PENSTOCK_RETURN_IF_ERROR(Ip("address del 127.0.0.1/8 dev lo"));
  return Ip("address add 127.0.0.1/32 dev lo");
}

}  // namespace

absl::Status Machines::Isolate() {
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return SystemError("network namespaces");
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return SystemError("mount");
  (void)mkdir(kDirectory, 0755);
  if (mount("tmpfs", kDirectory, "tmpfs", 0, "mode=755") != 0) return SystemError(kDirectory);
  return PrepareLoopback();
}

absl::StatusOr<std::unique_ptr<Machines>> Machines::Create() {
  std::unique_ptr<Machines> machines(new Machines);
  PENSTOCK_RETURN_IF_ERROR(Ip(fmt::format("link add {} type bridge", kSwitch)));
  PENSTOCK_RETURN_IF_ERROR(Ip(fmt::format("link set {} up", kSwitch)));
  PENSTOCK_RETURN_IF_ERROR(Ip(fmt::format("address add {} dev {}", kSwitchAddress, kSwitch)));
  return machines;
}

Machines::~Machines() {
  for (const auto& [name, address] : addresses_) {
    (void)Ip("link del " + PortOf(name));
    (void)Ip("netns del " + name);
  }
  (void)Ip(fmt::format("link del {}", kSwitch));
}

absl::StatusOr<std::string> Machines::Add(const std::string& name) {
  const std::string address = fmt::format("127.1.0.{}", addresses_.size() + 1);
  const std::string port = PortOf(name), there = fmt::format("-n {} ", name);
  PENSTOCK_RETURN_IF_ERROR(Ip("netns add " + name));
  addresses_[name] = address;
  PENSTOCK_RETURN_IF_ERROR(On(name, [&] { return PrepareLoopback(); }));
  PENSTOCK_RETURN_IF_ERROR(
      Ip(fmt::format("link add {} type veth peer name eth0 netns {}", port, name)));
  PENSTOCK_RETURN_IF_ERROR(Ip(fmt::format("link set {} master {} up", port, kSwitch)));
  PENSTOCK_RETURN_IF_ERROR(Ip(there + "link set eth0 up"));
  PENSTOCK_RETURN_IF_ERROR(Ip(fmt::format("{}address add {}/24 dev eth0", there, address)));
  return address;
}

std::vector<std::string> Machines::CommandPrefix(const std::string& name) {
  return {"nsenter", "--net=" + Path(name), "--"};
}

absl::Status Machines::On(const std::string& name, const std::function<absl::Status()>& work) {
  const process::UniqueFd here(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  const process::UniqueFd there(open(Path(name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!here || !there) return SystemError(name);
  if (setns(there.get(), CLONE_NEWNET) != 0) return SystemError(name);
  absl::Status status = work();
  PENSTOCK_CHECK(setns(here.get(), CLONE_NEWNET) == 0, "the way back into the first network");
  return status;
}

absl::Status Machines::Lose(const std::string& from, const std::string& to) {
  const auto receiver = addresses_.find(to);
  if (receiver == addresses_.end()) return absl::NotFoundError("no machine " + to);
  const std::string& address = receiver->second;
  lost_.emplace_back(from, address);
  return Ip(fmt::format("-n {} neighbour replace {} lladdr {} dev eth0 nud permanent", from,
                        address, kNobody));
}

absl::Status Machines::Unplug(const std::string& name) {
  unplugged_.push_back(name);
  return Ip(fmt::format("link set {} down", PortOf(name)));
}

absl::Status Machines::Heal() {
  absl::Status status;
  for (const auto& [machine, address] : std::exchange(lost_, {})) {
    status.Update(Ip(fmt::format("-n {} neighbour del {} dev eth0", machine, address)));
  }
  for (const std::string& name : std::exchange(unplugged_, {})) {
    status.Update(Ip(fmt::format("link set {} up", PortOf(name))));
  }
  return status;
}

}  // namespace penstock::chaos
