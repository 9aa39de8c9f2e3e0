#include "client/standalone/leftovers.h"

#include "client/standalone/state_file.h"
#include "common/base/status_macros.h"
#include "common/process/process_tree.h"
#include "common/process/spawn.h"

namespace penstock::client {
namespace {

// A guardian whose worker is gone kills its tasks and ends; it gets the time to do so.
constexpr absl::Duration kGuardianGrace = absl::Seconds(5);

absl::StatusOr<int> EndGuardian(const process::PidIdentity& guardian) {
  if (!process::IsAlive(guardian)) return 0;
  if (process::WaitForEnd(guardian, kGuardianGrace)) return 1;
  process::StrikeDescendants(guardian.pid);
  PENSTOCK_RETURN_IF_ERROR(process::Terminate(guardian, absl::ZeroDuration()));
  return 1;
}

}  // namespace

absl::StatusOr<int> EndLeftovers(const Layout& layout) {
  int ended = 0;
  for (const auto& file : {layout.processes(), layout.state()}) {
    const RecordedProcesses recorded = ReadProcesses(file);
    for (const process::PidIdentity& node : recorded.nodes) {
      if (!process::IsAlive(node)) continue;
      PENSTOCK_RETURN_IF_ERROR(process::Terminate(node, absl::ZeroDuration()));
      ++ended;
    }
    for (const process::PidIdentity& guardian : recorded.guardians) {
      PENSTOCK_ASSIGN_OR_RETURN(const int count, EndGuardian(guardian));
      ended += count;
    }
  }
  return ended;
}

}  // namespace penstock::client
