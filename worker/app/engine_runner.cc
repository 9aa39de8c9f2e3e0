#include "worker/app/engine_runner.h"

#include <fmt/format.h>

namespace penstock::worker {

void EngineRunner::SetLastWords(const std::vector<SessionId>& sessions,
                                const std::vector<std::string>& schedulers) {
  std::vector<int64_t> ids;
  ids.reserve(sessions.size());
  for (const SessionId session : sessions) ids.push_back(session.value());
  engine_->guardian().LeaveSessions(sessions);
  engine_->SetLastWords({program_, "--report-session-death", fmt::format("{}", fmt::join(ids, ",")),
                         "--schedulers", fmt::format("{}", fmt::join(schedulers, ","))});
}

}  // namespace penstock::worker
