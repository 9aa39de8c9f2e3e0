#pragma once
// The unary calls of a worker to any scheduler.
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/ids.h"
#include "common/rpc/channel.h"
#include "worker/session/address_book.h"
#include "worker/session/version_library.h"

namespace penstock::worker {

// Asks one scheduler after another until one answers. Thread-safe; every call blocks.
class SchedulerCalls final : public VersionSource {
 public:
  // `book` is borrowed.
  explicit SchedulerCalls(const AddressBook& book);

  absl::StatusOr<Raw> GetVersion(VersionId id) override;
  absl::StatusOr<std::string> GetBundle(const std::string& hash) override;

 private:
  const AddressBook& book_;
  rpc::ChannelCache channels_;
};

// Tells every scheduler that the session's process is gone and that nothing of it runs any more.
// Tries each for `patience` in all, all of them at once. Returns how many have heard it.
int ReportSessionDeath(SessionId session, const std::vector<std::string>& schedulers,
                       absl::Duration patience);

}  // namespace penstock::worker
