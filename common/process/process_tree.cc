#include "common/process/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "common/process/unique_fd.h"

namespace penstock::process {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

template <typename Visit>
void ForEachPid(Visit visit) {
  const std::unique_ptr<DIR, CloseDir> dir(opendir("/proc"));
  if (!dir) return;
  while (const dirent* entry = readdir(dir.get())) {
    const pid_t pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    if (pid > 0) visit(pid);
  }
}

bool Contains(const std::vector<pid_t>& pids, pid_t pid) {
  return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

std::string ReadEnvironment(pid_t pid) {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/environ", pid);
  const UniqueFd fd(open(path.data(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> buffer{};
  ssize_t got = 0;
  while (fd && (got = read(fd.get(), buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  return text;
}

bool HoldsEntry(const std::string& environment, std::string_view entry) {
  const std::string framed = '\0' + environment;
  std::string wanted(1, '\0');
  wanted.append(entry).push_back('\0');
  return framed.find(wanted) != std::string::npos;
}

// The start time stands for the identity: the pid may have been recycled since it was listed.
bool SignalOne(const ProcessStat& process, int signal) {
  const std::optional<PidIdentity> id = Identify(process.pid);
  return id && id->start_ticks == process.start_ticks && SendSignal(*id, signal);
}

// Signals every process of the tree, by groups: a group is signalled at one instant, so that its
// members cannot fork out of it. Members of `own_group` (the striker's) are signalled one by one.
// Other groups never reach outside of the tree: they stay within a session that started in it.
void SignalAll(const std::vector<ProcessStat>& tree, pid_t own_group, int signal) {
  std::vector<pid_t> groups;
  for (const ProcessStat& process : tree) {
    if (process.group <= 1 || process.group == own_group) {  // -1: about to vanish
      SignalOne(process, signal);
    } else {
      groups.push_back(process.group);
    }
  }
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  for (const pid_t group : groups) kill(-group, signal);
}

bool IsMoving(const ProcessStat& process) { return process.alive() && process.state != 'T'; }

}  // namespace

std::vector<ProcessStat> ListProcesses() {
  std::vector<ProcessStat> processes;
  ForEachPid([&processes](pid_t pid) {
    if (const std::optional<ProcessStat> stat = ReadProcessStat(pid)) processes.push_back(*stat);
  });
  return processes;
}

std::vector<ProcessStat> Descendants(pid_t root, const std::vector<pid_t>& spared,
                                     const std::vector<ProcessStat>& all) {
  std::vector<ProcessStat> by_parent = all;
  const auto parent_less = [](const ProcessStat& a, const ProcessStat& b) {
    return a.parent < b.parent;
  };
  std::sort(by_parent.begin(), by_parent.end(), parent_less);
  std::vector<ProcessStat> found;
  const auto add_children = [&](pid_t parent) {
    ProcessStat probe;
    probe.parent = parent;
    const auto range = std::equal_range(by_parent.begin(), by_parent.end(), probe, parent_less);
    for (auto it = range.first; it != range.second; ++it) {
      if (it->pid != root && !(parent == root && Contains(spared, it->pid))) found.push_back(*it);
    }
  };
  add_children(root);
  for (size_t i = 0; i < found.size() && found.size() <= all.size(); ++i) {
    add_children(found[i].pid);
  }
  return found;
}

int StrikeDescendants(pid_t root, const std::vector<pid_t>& spared) {
  // A family that forks faster than it is stopped: what is seen is killed after so many looks.
  constexpr int kMaxPasses = 20;
  const pid_t own_group = getpgid(root);
  std::vector<ProcessStat> tree;
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    tree = Descendants(root, spared, ListProcesses());
    if (std::none_of(tree.begin(), tree.end(), IsMoving)) break;
    SignalAll(tree, own_group, SIGSTOP);
  }
  SignalAll(tree, own_group, SIGKILL);
  return static_cast<int>(tree.size());
}

std::vector<PidIdentity> FindByEnvironment(std::string_view entry) {
  std::vector<PidIdentity> found;
  ForEachPid([&](pid_t pid) {
    const std::optional<PidIdentity> id = Identify(pid);
    if (id && HoldsEntry(ReadEnvironment(pid), entry) && IsAlive(*id)) found.push_back(*id);
  });
  return found;
}

}  // namespace penstock::process
