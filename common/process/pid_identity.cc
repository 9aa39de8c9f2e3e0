#include "common/process/pid_identity.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>

#include "common/process/unique_fd.h"

namespace penstock::process {
namespace {

std::string_view NextWord(std::string_view* text) {
  const size_t begin = text->find_first_not_of(" \n");
  if (begin == std::string_view::npos) return {};
  const size_t end = std::min(text->find_first_of(" \n", begin), text->size());
  const std::string_view word = text->substr(begin, end - begin);
  text->remove_prefix(end);
  return word;
}

template <typename T>
bool ParseNumber(std::string_view word, T* value, int base = 10) {
  const char* const end = word.data() + word.size();
  const auto result = std::from_chars(word.data(), end, *value, base);
  return result.ec == std::errc() && result.ptr == end && !word.empty();
}

template <typename T>
bool NextNumber(std::string_view* text, T* value) {
  return ParseNumber(NextWord(text), value);
}

size_t ReadWhole(const char* path, char* buffer, size_t size) {
  const UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return 0;
  const ssize_t got = read(fd.get(), buffer, size);
  return got > 0 ? static_cast<size_t>(got) : 0;
}

uint32_t ReadBootDigest() {
  std::array<char, 64> text{};
  const size_t size = ReadWhole("/proc/sys/kernel/random/boot_id", text.data(), text.size());
  uint32_t digest = 2166136261U;  // FNV-1a
  for (size_t i = 0; i < size; ++i) {
    digest = (digest ^ static_cast<unsigned char>(text[i])) * 16777619U;
  }
  return digest;
}

uint32_t BootDigest() {
  static const uint32_t digest = ReadBootDigest();
  return digest;
}

}  // namespace

std::optional<ProcessStat> ParseProcessStat(std::string_view text) {
  ProcessStat stat;
  if (!NextNumber(&text, &stat.pid)) return std::nullopt;
  const size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  text.remove_prefix(name_end + 1);
  const std::string_view state = NextWord(&text);
  if (state.size() != 1) return std::nullopt;
  stat.state = state[0];
  if (!NextNumber(&text, &stat.parent) || !NextNumber(&text, &stat.group) ||
      !NextNumber(&text, &stat.session)) {
    return std::nullopt;
  }
  constexpr int kFieldsBetweenSessionAndStart = 15;
  for (int i = 0; i < kFieldsBetweenSessionAndStart; ++i) NextWord(&text);
  if (!NextNumber(&text, &stat.start_ticks)) return std::nullopt;
  return stat;
}

std::optional<ProcessStat> ReadProcessStat(pid_t pid) {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", pid);
  std::array<char, 1024> text{};
  const size_t size = ReadWhole(path.data(), text.data(), text.size());
  if (size == 0) return std::nullopt;
  return ParseProcessStat({text.data(), size});
}

std::optional<PidIdentity> Identify(pid_t pid) {
  const std::optional<ProcessStat> stat = ReadProcessStat(pid);
  if (!stat || !stat->alive()) return std::nullopt;
  return PidIdentity{pid, stat->start_ticks, BootDigest()};
}

bool IsAlive(const PidIdentity& id) { return id.pid > 0 && Identify(id.pid) == id; }

int OpenPidFd(const PidIdentity& id) {
  if (id.pid <= 0) return -1;
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, id.pid, 0)));
  // The descriptor pins the process: if the identity matches now, it is the one that is pinned.
  return fd && IsAlive(id) ? fd.Release() : -1;
}

bool SendSignal(const PidIdentity& id, int signal) {
  const UniqueFd fd(OpenPidFd(id));
  if (!fd) {
    errno = ESRCH;
    return false;
  }
  return syscall(SYS_pidfd_send_signal, fd.get(), signal, nullptr, 0) == 0;
}

std::string ToString(const PidIdentity& id) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%d-%llu-%08x", id.pid,
                static_cast<unsigned long long>(id.start_ticks), id.boot);
  return text.data();
}

std::optional<PidIdentity> ParsePidIdentity(std::string_view text) {
  const size_t first = text.find('-');
  const size_t second = text.find('-', first == std::string_view::npos ? first : first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  PidIdentity id;
  if (!ParseNumber(text.substr(0, first), &id.pid) || id.pid <= 0 ||
      !ParseNumber(text.substr(first + 1, second - first - 1), &id.start_ticks) ||
      !ParseNumber(text.substr(second + 1), &id.boot, 16)) {
    return std::nullopt;
  }
  return id;
}

}  // namespace penstock::process
