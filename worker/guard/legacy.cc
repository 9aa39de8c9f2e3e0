#include "worker/guard/legacy.h"

#include <unistd.h>

#include <charconv>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "common/process/pid_identity.h"
#include "common/process/process_tree.h"
#include "worker/guard/guardian.h"

namespace penstock::worker::guard {
namespace {

namespace fs = std::filesystem;

constexpr char kFile[] = "sessions";

// "pid:[4026531836]"; empty when /proc does not tell.
std::string PidNamespace() {
  std::error_code error;
  return fs::read_symlink("/proc/self/ns/pid", error).string();
}

std::optional<Legacy> Read(const fs::path& life_dir) {
  std::ifstream in(life_dir / kFile);
  std::string line;
  if (!std::getline(in, line) || line.empty() || line != PidNamespace()) return std::nullopt;
  Legacy legacy;
  legacy.life = life_dir.filename().string();
  while (std::getline(in, line)) {
    int64_t id = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), id);
    if (error == std::errc() && id > 0) legacy.sessions.emplace_back(id);
  }
  return legacy;
}

}  // namespace

void LeaveSessions(const fs::path& life_dir, std::vector<SessionId> sessions) {
  if (sessions.size() > kMaxSessionsLeft) {
    sessions.erase(sessions.begin(), sessions.end() - kMaxSessionsLeft);
  }
  const fs::path made = life_dir / (std::string(kFile) + ".new");
  {
    std::ofstream out(made, std::ios::trunc);
    out << PidNamespace() << '\n';
    for (const SessionId session : sessions) out << session.value() << '\n';
    if (!out.flush()) return;
  }
  std::error_code ignored;
  fs::rename(made, life_dir / kFile, ignored);
}

std::vector<Legacy> FindLegacies(const fs::path& root) {
  std::vector<Legacy> found;
  const auto self = process::Identify(getpid());
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, error)) {
    const auto main = process::ParsePidIdentity(entry.path().filename().string());
    if (!self || !main || main->boot != self->boot || process::IsAlive(*main)) continue;
    if (std::optional<Legacy> legacy = Read(entry.path())) found.push_back(*std::move(legacy));
  }
  return found;
}

bool NothingRuns(const Legacy& legacy) {
  const auto main = process::ParsePidIdentity(legacy.life);
  if (!main || process::IsAlive(*main)) return false;
  // The guards first: without them nothing new is started.
  const auto unused = [&](const char* variable) {
    return process::FindByEnvironment(std::string(variable) + "=" + legacy.life).empty();
  };
  return unused(kGuardianVariable) && unused(kLifeVariable);
}

}  // namespace penstock::worker::guard
