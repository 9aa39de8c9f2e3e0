#pragma once
// Inbox rows as commands: the rows hold requests of the control API as protobuf JSON.
#include "common/base/clock.h"
#include "scheduler/api/caches.h"
#include "scheduler/engine/inbox_decoder.h"
#include "scheduler/store/catalog.h"

namespace penstock::api {

// Thread-safe; blocks on the catalog. References outlive it.
class InboxCommands final : public engine::InboxDecoder {
 public:
  InboxCommands(store::Catalog& catalog, NamespaceCache& namespaces, VersionCache& versions,
                const Clock& clock)
      : catalog_(catalog), namespaces_(namespaces), versions_(versions), clock_(clock) {}

  absl::StatusOr<core::CommandBody> Decode(const store::InboxRow& row) override;

 private:
  absl::StatusOr<core::CommandBody> CreateRun(const std::string& json);
  absl::StatusOr<core::CommandBody> CancelRun(const std::string& json);
  absl::StatusOr<core::CommandBody> SetDagPaused(const std::string& json);

  store::Catalog& catalog_;
  NamespaceCache& namespaces_;
  VersionCache& versions_;
  const Clock& clock_;
};

}  // namespace penstock::api
