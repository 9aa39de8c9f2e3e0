#include "worker/core/effects.h"

namespace penstock::worker {

Outgoing& Effects::To(StreamId stream) {
  for (Outgoing& outgoing : out) {
    if (outgoing.stream == stream) return outgoing;
  }
  out.emplace_back().stream = stream;
  return out.back();
}

bool Effects::empty() const {
  return sessions_opened.empty() && sessions_closed.empty() && leases.empty() && kills.empty() &&
         forgotten.empty() && launches.empty() && out.empty() && streams_to_reopen.empty() &&
         !duplicate_session;
}

}  // namespace penstock::worker
