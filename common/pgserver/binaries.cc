#include "common/pgserver/binaries.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>

#include "common/base/status.h"
#include "common/pgserver/os_user.h"

namespace penstock::pgserver {
namespace {

constexpr absl::Duration kVersionTimeout = absl::Seconds(10);

std::optional<int> ParseNumber(std::string_view text) {
  int number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc()) return std::nullopt;
  return number;
}

std::vector<std::filesystem::path> PathDirs() {
  std::vector<std::filesystem::path> dirs;
  const char* variable = std::getenv("PATH");
  std::string_view rest = variable == nullptr ? "" : variable;
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    if (rest.front() == '/') dirs.emplace_back(rest.substr(0, colon));
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return dirs;
}

std::optional<std::filesystem::path> PgConfigDir(const std::vector<std::filesystem::path>& path) {
  for (const auto& dir : path) {
    const std::string program = dir / "pg_config";
    if (access(program.c_str(), X_OK) != 0) continue;
    auto result =
        process::RunCommand(ServerProgram({program, "--bindir"}, std::nullopt), kVersionTimeout);
    if (!result.ok() || !result->ok()) return std::nullopt;
    return result->output.substr(0, result->output.find('\n'));
  }
  return std::nullopt;
}

std::vector<std::filesystem::path> DebianDirs() {
  std::vector<std::pair<int, std::filesystem::path>> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
    if (auto major = ParseNumber(entry.path().filename().string())) {
      found.emplace_back(*major, entry.path() / "bin");
    }
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<std::filesystem::path> dirs;
  dirs.reserve(found.size());
  for (auto& [major, dir] : found) dirs.push_back(std::move(dir));
  return dirs;
}

std::optional<Binaries> ServerIn(const std::filesystem::path& dir) {
  for (const char* name : {"postgres", "initdb", "psql"}) {
    if (access((dir / name).c_str(), X_OK) != 0) return std::nullopt;
  }
  auto result = process::RunCommand(ServerProgram({dir / "postgres", "--version"}, std::nullopt),
                                    kVersionTimeout);
  if (!result.ok() || !result->ok()) return std::nullopt;
  const auto major = ParseMajor(result->output);
  if (!major) return std::nullopt;
  return Binaries{dir, *major};
}

absl::Status Missing(const std::filesystem::path& dir, std::optional<int> major) {
  const std::string where = dir.empty() ? "" : fmt::format(" in {}", dir.string());
  const std::string text =
      major ? fmt::format(
                  "no PostgreSQL {} server found{}, which this data directory needs: "
                  "apt-get install postgresql-{}",
                  *major, where, *major)
            : fmt::format(
                  "no PostgreSQL server (version {} or later) found{}: "
                  "apt-get install postgresql",
                  kOldestMajor, where);
  return MakeStatus(absl::StatusCode::kFailedPrecondition, text);
}

}  // namespace

std::optional<int> ParseMajor(std::string_view version_text) {
  constexpr std::string_view kMark = "(PostgreSQL) ";
  const size_t at = version_text.find(kMark);
  if (at == std::string_view::npos) return std::nullopt;
  return ParseNumber(version_text.substr(at + kMark.size()));
}

std::vector<std::filesystem::path> CandidateDirs(const std::filesystem::path& dir) {
  if (!dir.empty()) return {dir};
  const char* named = std::getenv("PENSTOCK_PG_BIN");
  if (named != nullptr && *named != '\0') return {named};
  const auto path = PathDirs();
  std::vector<std::filesystem::path> dirs;
  if (auto configured = PgConfigDir(path)) dirs.push_back(*configured);
  for (auto& debian : DebianDirs()) dirs.push_back(std::move(debian));
  dirs.insert(dirs.end(), path.begin(), path.end());
  return dirs;
}

absl::StatusOr<Binaries> FindBinaries(const std::filesystem::path& dir, std::optional<int> major) {
  for (const auto& candidate : CandidateDirs(dir)) {
    const auto found = ServerIn(candidate);
    if (found && found->major >= kOldestMajor && (!major || *major == found->major)) return *found;
  }
  return Missing(dir, major);
}

}  // namespace penstock::pgserver
