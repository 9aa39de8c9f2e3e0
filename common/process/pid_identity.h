#pragma once
// A process named so that a recycled pid is never mistaken for it. Linux, /proc.
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::process {

// The pid, when it started (clock ticks since boot) and in which boot. Value type.
struct PidIdentity {
  pid_t pid = 0;
  uint64_t start_ticks = 0;
  uint32_t boot = 0;  // digest of the kernel's boot id
  friend bool operator==(const PidIdentity&, const PidIdentity&) = default;
};

// What /proc/PID/stat tells.
struct ProcessStat {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  char state = '?';  // 'Z' and 'X': dead, waiting to be reaped
  uint64_t start_ticks = 0;
  bool alive() const { return state != 'Z' && state != 'X'; }
};

// The file's text taken apart; nullopt when it is not of that form. Command names may hold
// anything, brackets and newlines included.
std::optional<ProcessStat> ParseProcessStat(std::string_view text);
// nullopt: no such process.
std::optional<ProcessStat> ReadProcessStat(pid_t pid);

// Who runs under this pid now; nullopt: nobody, or a zombie.
std::optional<PidIdentity> Identify(pid_t pid);
bool IsAlive(const PidIdentity& id);
// Signals exactly this process. False when it is gone or may not be signalled (errno tells).
bool SendSignal(const PidIdentity& id, int signal);
// A pidfd on exactly this process (readable once it has ended); -1 when it is gone. The caller
// closes it.
int OpenPidFd(const PidIdentity& id);

// "pid-start-boot", fit for file names; the reverse gives nullopt for anything else.
std::string ToString(const PidIdentity& id);
std::optional<PidIdentity> ParsePidIdentity(std::string_view text);

}  // namespace penstock::process
