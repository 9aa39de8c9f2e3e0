#pragma once
// Memory cgroups, v1 and v2: limits, and the kernel's word on who ran out of memory. Linux.
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::process {

enum class CgroupVersion : uint8_t { kV1 = 1, kV2 = 2 };

// A directory in a cgroup file system that has the memory controller.
struct CgroupPlace {
  CgroupVersion version = CgroupVersion::kV2;
  std::string path;
  friend bool operator==(const CgroupPlace&, const CgroupPlace&) = default;
};

// Where a process' memory is accounted, from the texts of its /proc/PID/cgroup and
// /proc/PID/mountinfo. nullopt: no memory controller is mounted or the process is outside of what
// is mounted. For v2 the controller is not known to be enabled.
std::optional<CgroupPlace> FindMemoryCgroup(std::string_view cgroup, std::string_view mountinfo);

// The calling process' own; nullopt as above.
std::optional<CgroupPlace> OwnMemoryCgroup();

// Makes a directory `name` below the calling process' own memory cgroup, fit to hold one cgroup
// per attempt. nullopt, without trace, where that is not possible (no controller, not writable, or
// v2 and the cgroup holds processes that are neither `main` nor the caller; those two are moved
// into a sibling, because a v2 cgroup with children may not hold processes).
std::optional<CgroupPlace> PrepareMemoryCgroups(std::string_view name, pid_t main);

// One cgroup below a prepared place. Removed when destroyed, which works only once it is empty.
class MemoryCgroup {
 public:
  // Creates it and moves the calling process in; nullopt: not possible.
  static std::optional<MemoryCgroup> Enter(const CgroupPlace& place, std::string_view name);
  MemoryCgroup(MemoryCgroup&& other) noexcept;
  MemoryCgroup& operator=(MemoryCgroup&&) = delete;
  ~MemoryCgroup();

  // 0 = no limit. Swap does not count on top where the kernel can tell. False: refused.
  bool SetLimit(int64_t bytes);
  int64_t UsedBytes() const;
  // Processes of this cgroup killed by the kernel for want of memory, so far.
  int64_t OomKills() const;

 private:
  MemoryCgroup(CgroupVersion version, std::string path);

  CgroupVersion version_;
  std::string path_;  // empty: moved from
  int events_fd_ = -1;
};

// The number behind `key` in lines of "key number"; 0 when absent.
int64_t ParseKeyedCount(std::string_view text, std::string_view key);

// Kills whatever runs in the cgroups below `place`'s subdirectory `name` ("" = below `place`
// itself) and removes them and it: for what a killed guardian left behind, among others.
void RemoveCgroupTree(const CgroupPlace& place, std::string_view name);

}  // namespace penstock::process
