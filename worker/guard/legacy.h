#pragma once
// What one life of a worker leaves for the next one on the same machine: the ids of its sessions. A
// guardian that lives to the end reports them itself; where everything was killed at once nobody is
// left to do so, and the next worker speaks for them once it has seen that nothing of them runs.
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/ids.h"

namespace penstock::worker::guard {

// Carried by a guardian and its runners in their environment, as kLifeVariable is by attempts.
inline constexpr char kGuardianVariable[] = "PENSTOCK_GUARDIAN_OF";
// So many of the newest ids are kept.
inline constexpr size_t kMaxSessionsLeft = 256;

struct Legacy {
  std::string life;                 // name of its directory: the identity of its main process
  std::vector<SessionId> sessions;  // oldest first
};

// Replaces what `life_dir` holds. A failure costs the next worker its proof, nothing else.
void LeaveSessions(const std::filesystem::path& life_dir, std::vector<SessionId> sessions);

// What lies below `root`, left in this boot and this pid namespace: of any other it cannot be seen
// from here what still runs.
std::vector<Legacy> FindLegacies(const std::filesystem::path& root);

// True when its main process, its guardian, its runners and its attempts are all gone (but for
// attempts that emptied their environment and outlived all of their guards).
bool NothingRuns(const Legacy& legacy);

}  // namespace penstock::worker::guard
