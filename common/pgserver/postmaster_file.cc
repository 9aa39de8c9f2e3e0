#include "common/pgserver/postmaster_file.h"

#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <fstream>
#include <sstream>
#include <vector>

namespace penstock::pgserver {
namespace {

namespace fs = std::filesystem;

// Line numbers of postmaster.pid.
constexpr size_t kPidLine = 0;
constexpr size_t kSocketDirLine = 4;
constexpr size_t kStatusLine = 7;

std::string Slurp(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::optional<pid_t> ToPid(std::string_view text) {
  pid_t pid = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || pid <= 1)
    return std::nullopt;
  return pid;
}

fs::path Proc(pid_t pid, std::string_view name) { return fmt::format("/proc/{}/{}", pid, name); }

bool IsServerProcess(pid_t pid) { return Slurp(Proc(pid, "comm")) == "postgres\n"; }

// Readable for processes of the same user, and for root unless its capabilities were cut.
bool WorksIn(pid_t pid, const fs::path& dir) {
  std::error_code error;
  return fs::read_symlink(Proc(pid, "cwd"), error) == dir && !error;
}

// Readable for everybody. Children of the postmaster overwrite theirs with a title.
bool CommandLineNames(pid_t pid, const fs::path& data_dir) {
  const std::string text = Slurp(Proc(pid, "cmdline"));
  const auto words = Split(text, '\0');
  for (size_t i = 1; i + 1 < words.size(); ++i) {
    if (words[i] == "-D" && words[i + 1] == data_dir.string()) return true;
  }
  return false;
}

}  // namespace

std::optional<PostmasterFile> ParsePostmasterFile(std::string_view text) {
  const auto lines = Split(text, '\n');
  if (lines.size() <= kPidLine) return std::nullopt;
  const auto pid = ToPid(lines[kPidLine]);
  if (!pid) return std::nullopt;
  PostmasterFile file;
  file.pid = *pid;
  if (lines.size() > kSocketDirLine) file.socket_dir = lines[kSocketDirLine];
  if (lines.size() > kStatusLine) file.status = Trimmed(lines[kStatusLine]);
  return file;
}

std::optional<PostmasterFile> ReadPostmasterFile(const fs::path& data_dir) {
  return ParsePostmasterFile(Slurp(data_dir / "postmaster.pid"));
}

bool IsPostmasterOf(pid_t pid, const fs::path& data_dir) {
  if (pid <= 1 || !IsServerProcess(pid)) return false;
  return CommandLineNames(pid, data_dir) || WorksIn(pid, data_dir);
}

int KillStrays(const fs::path& data_dir) {
  int killed = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const auto pid = ToPid(entry.path().filename().string());
    if (pid && IsServerProcess(*pid) && WorksIn(*pid, data_dir) && kill(*pid, SIGKILL) == 0)
      ++killed;
  }
  return killed;
}

}  // namespace penstock::pgserver
