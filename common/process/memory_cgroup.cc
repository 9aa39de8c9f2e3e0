#include "common/process/memory_cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <utility>
#include <vector>

#include "common/process/pid_identity.h"
#include "common/process/unique_fd.h"

namespace penstock::process {
namespace {

struct Mount {
  std::string_view root;
  std::string_view point;
};

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool HasWord(std::string_view list, std::string_view word) {
  const std::vector<std::string_view> words = Split(list, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

// "36 25 0:30 ROOT POINT OPTIONS [tags] - TYPE SOURCE SUPER_OPTIONS"
std::optional<Mount> FindMount(std::string_view mountinfo, CgroupVersion version) {
  for (const std::string_view line : Split(mountinfo, '\n')) {
    const size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    const std::vector<std::string_view> left = Split(line.substr(0, dash), ' ');
    const std::vector<std::string_view> right = Split(line.substr(dash + 3), ' ');
    if (left.size() < 5 || right.size() < 3) continue;
    const bool matches = version == CgroupVersion::kV2
                             ? right[0] == "cgroup2"
                             : right[0] == "cgroup" && HasWord(right[2], "memory");
    if (matches) return Mount{left[3], left[4]};
  }
  return std::nullopt;
}

// "4:memory:/path" (v1) or "0::/path" (v2)
std::optional<std::string_view> FindOwnPath(std::string_view cgroup, CgroupVersion version) {
  for (const std::string_view line : Split(cgroup, '\n')) {
    const size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const bool matches = version == CgroupVersion::kV2
                             ? line.substr(0, first) == "0" && controllers.empty()
                             : HasWord(controllers, "memory");
    if (matches) return line.substr(second + 1);
  }
  return std::nullopt;
}

std::optional<CgroupPlace> Locate(std::string_view cgroup, std::string_view mountinfo,
                                  CgroupVersion version) {
  const std::optional<Mount> mount = FindMount(mountinfo, version);
  std::optional<std::string_view> path = FindOwnPath(cgroup, version);
  if (!mount || !path) return std::nullopt;
  if (mount->root != "/") {
    if (path->substr(0, mount->root.size()) != mount->root) return std::nullopt;
    path->remove_prefix(mount->root.size());
  }
  std::string full(mount->point);
  if (*path != "/") full.append(*path);
  return CgroupPlace{version, full};
}

std::string ReadText(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> buffer{};
  ssize_t got = 0;
  while (fd && (got = read(fd.get(), buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  return text;
}

// What the text begins with; 0 = no number.
int64_t NumberIn(std::string_view text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool WriteText(const std::string& path, std::string_view text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && WriteAll(fd.get(), text);
}

bool MoveProcess(const std::string& path, pid_t pid) {
  return WriteText(path + "/cgroup.procs", std::to_string(pid));
}

std::vector<pid_t> ProcessesIn(const std::string& path) {
  std::vector<pid_t> pids;
  const std::string text = ReadText(path + "/cgroup.procs");
  for (const std::string_view line : Split(text, '\n')) {
    const auto pid = static_cast<pid_t>(NumberIn(line));
    if (pid > 0) pids.push_back(pid);
  }
  return pids;
}

bool Holds(const std::string& path, pid_t pid) {
  const std::vector<pid_t> pids = ProcessesIn(path);
  return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

// The second look makes sure that the pid was not recycled between the list and the identity.
void KillAllIn(const std::string& path) {
  for (const pid_t pid : ProcessesIn(path)) {
    const std::optional<PidIdentity> id = Identify(pid);
    if (id && Holds(path, pid)) SendSignal(*id, SIGKILL);
  }
}

bool HoldsStrangers(const std::string& path, pid_t main) {
  const std::vector<pid_t> pids = ProcessesIn(path);
  return std::any_of(pids.begin(), pids.end(),
                     [main](pid_t pid) { return pid != main && pid != getpid(); });
}

bool HasWordIn(const std::string& file, std::string_view word) {
  std::string text = ReadText(file);
  std::replace(text.begin(), text.end(), ' ', ',');
  std::replace(text.begin(), text.end(), '\n', ',');
  return HasWord(text, word);
}

// A v2 cgroup hands its controllers down only while it holds no processes (but the root may).
bool EnableMemoryBelow(const std::string& path, pid_t main, const std::string& sibling) {
  const std::string control = path + "/cgroup.subtree_control";
  if (HasWordIn(control, "memory")) return true;
  if (!HasWordIn(path + "/cgroup.controllers", "memory")) return false;
  if (WriteText(control, "+memory")) return true;
  if (HoldsStrangers(path, main) || mkdir(sibling.c_str(), 0755) != 0) return false;
  if (MoveProcess(sibling, main) && MoveProcess(sibling, getpid()) &&
      WriteText(control, "+memory")) {
    return true;
  }
  MoveProcess(path, main);
  MoveProcess(path, getpid());
  rmdir(sibling.c_str());
  return false;
}

// Whether a cgroup below `path` takes a process: tried out, because permissions do not tell.
bool CanHoldChildren(const CgroupPlace& place) {
  const std::string probe = place.path + "/probe";
  if (mkdir(probe.c_str(), 0755) != 0) return false;
  const bool has_memory =
      access(
          (probe + (place.version == CgroupVersion::kV2 ? "/memory.max" : "/memory.limit_in_bytes"))
              .c_str(),
          W_OK) == 0;
  const bool takes = access((probe + "/cgroup.procs").c_str(), W_OK) == 0;
  rmdir(probe.c_str());
  return has_memory && takes;
}

bool SetUp(const CgroupPlace& own, const CgroupPlace& place, pid_t main) {
  if (own.version == CgroupVersion::kV2 &&
      !EnableMemoryBelow(own.path, main, place.path + "-main")) {
    return false;
  }
  if (mkdir(place.path.c_str(), 0755) != 0) return false;
  const bool ready = (place.version == CgroupVersion::kV1 ||
                      WriteText(place.path + "/cgroup.subtree_control", "+memory")) &&
                     CanHoldChildren(place);
  if (!ready) rmdir(place.path.c_str());
  return ready;
}

}  // namespace

std::optional<CgroupPlace> FindMemoryCgroup(std::string_view cgroup, std::string_view mountinfo) {
  std::optional<CgroupPlace> v1 = Locate(cgroup, mountinfo, CgroupVersion::kV1);
  return v1 ? v1 : Locate(cgroup, mountinfo, CgroupVersion::kV2);
}

std::optional<CgroupPlace> OwnMemoryCgroup() {
  return FindMemoryCgroup(ReadText("/proc/self/cgroup"), ReadText("/proc/self/mountinfo"));
}

std::optional<CgroupPlace> PrepareMemoryCgroups(std::string_view name, pid_t main) {
  const std::optional<CgroupPlace> own = OwnMemoryCgroup();
  if (!own) return std::nullopt;
  CgroupPlace place{own->version, own->path + "/" + std::string(name)};
  if (!SetUp(*own, place, main)) return std::nullopt;
  return place;
}

MemoryCgroup::MemoryCgroup(CgroupVersion version, std::string path)
    : version_(version), path_(std::move(path)) {
  const std::string events =
      path_ + (version_ == CgroupVersion::kV2 ? "/memory.events" : "/memory.oom_control");
  events_fd_ = open(events.c_str(), O_RDONLY | O_CLOEXEC);
}

MemoryCgroup::MemoryCgroup(MemoryCgroup&& other) noexcept
    : version_(other.version_),
      path_(std::move(other.path_)),
      events_fd_(std::exchange(other.events_fd_, -1)) {
  other.path_.clear();
}

MemoryCgroup::~MemoryCgroup() {
  if (events_fd_ >= 0) close(events_fd_);
  if (!path_.empty()) rmdir(path_.c_str());
}

std::optional<MemoryCgroup> MemoryCgroup::Enter(const CgroupPlace& place, std::string_view name) {
  std::string path = place.path + "/" + std::string(name);
  if (mkdir(path.c_str(), 0755) != 0) return std::nullopt;
  MemoryCgroup cgroup(place.version, std::move(path));
  if (!MoveProcess(cgroup.path_, getpid())) return std::nullopt;
  return cgroup;
}

bool MemoryCgroup::SetLimit(int64_t bytes) {
  const std::string limit = std::to_string(bytes);
  if (version_ == CgroupVersion::kV2) {
    WriteText(path_ + "/memory.swap.max", bytes > 0 ? "0" : "max");
    return WriteText(path_ + "/memory.max", bytes > 0 ? limit : "max");
  }
  // The combined limit may never be below the plain one, so it is lifted first and set last.
  WriteText(path_ + "/memory.memsw.limit_in_bytes", "-1");
  if (!WriteText(path_ + "/memory.limit_in_bytes", bytes > 0 ? limit : "-1")) return false;
  if (bytes > 0) WriteText(path_ + "/memory.memsw.limit_in_bytes", limit);
  return true;
}

int64_t MemoryCgroup::UsedBytes() const {
  return NumberIn(ReadText(
      path_ + (version_ == CgroupVersion::kV2 ? "/memory.current" : "/memory.usage_in_bytes")));
}

int64_t MemoryCgroup::OomKills() const {
  std::array<char, 1024> text{};
  const ssize_t got = pread(events_fd_, text.data(), text.size(), 0);
  if (got <= 0) return 0;
  return ParseKeyedCount({text.data(), static_cast<size_t>(got)}, "oom_kill");
}

int64_t ParseKeyedCount(std::string_view text, std::string_view key) {
  for (const std::string_view line : Split(text, '\n')) {
    if (line.size() <= key.size() + 1 || line.substr(0, key.size()) != key) continue;
    if (line[key.size()] != ' ') continue;
    int64_t count = 0;
    std::from_chars(line.data() + key.size() + 1, line.data() + line.size(), count);
    return count;
  }
  return 0;
}

void RemoveCgroupTree(const CgroupPlace& place, std::string_view name) {
  const std::string path = name.empty() ? place.path : place.path + "/" + std::string(name);
  std::vector<std::string> children;
  if (DIR* const dir = opendir(path.c_str())) {
    while (const dirent* entry = readdir(dir)) {
      const std::string child = entry->d_name;
      if (entry->d_type == DT_DIR && child != "." && child != "..") children.push_back(child);
    }
    closedir(dir);
  }
  for (const std::string& child : children) {
    std::string child_path = path;
    child_path.append("/").append(child);
    KillAllIn(child_path);
    rmdir(child_path.c_str());
  }
  rmdir(path.c_str());
}

}  // namespace penstock::process
