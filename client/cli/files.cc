#include "client/cli/files.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "client/lib/errors.h"
#include "common/base/status.h"

namespace penstock::client {
namespace {

// Reads at most `max_bytes` + 1, so that a longer input is noticed without being held.
absl::StatusOr<std::string> ReadBounded(std::istream& in, const std::string& name,
                                        int64_t max_bytes) {
  std::string text;
  char block[64 << 10];
  while (in.read(block, sizeof(block)), in.gcount() > 0) {
    text.append(block, static_cast<size_t>(in.gcount()));
    if (static_cast<int64_t>(text.size()) > max_bytes) {
      return UsageError(
          fmt::format("{}: larger than {} bytes ({:.1f} MiB), the most that is allowed", name,
                      max_bytes, static_cast<double>(max_bytes) / (1 << 20)));
    }
  }
  return text;
}

absl::Status SystemError(const std::string& path) {
  return UsageError(fmt::format("{}: {}", path, std::strerror(errno)));
}

}  // namespace

absl::StatusOr<std::string> ReadInput(const std::string& name, int64_t max_bytes,
                                      std::istream& in) {
  if (name == "-") return ReadBounded(in, "standard input", max_bytes);
  std::error_code error;
  if (std::filesystem::is_directory(name, error)) {
    return UsageError(fmt::format("{}: is a directory", name));
  }
  std::ifstream file(name, std::ios::binary);
  if (!file) return SystemError(name);
  return ReadBounded(file, name, max_bytes);
}

absl::Status WriteNewFile(const std::string& path, std::string_view content, bool overwrite) {
  std::error_code error;
  if (!overwrite && std::filesystem::exists(path, error)) {
    return MakeStatus(absl::StatusCode::kAlreadyExists,
                      fmt::format("{}: exists already (--force overwrites it)", path));
  }
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content << std::flush;
  return file ? absl::OkStatus() : SystemError(path);
}

}  // namespace penstock::client
