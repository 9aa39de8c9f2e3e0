#include "worker/exec/sealed_bundle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "worker/guard/wire.h"

namespace penstock::worker::exec {
namespace {

constexpr size_t kMaxPathBytes = 1024;
constexpr size_t kMaxPartBytes = 255;

bool IsCleanPart(std::string_view part) {
  return !part.empty() && part != "." && part != ".." && part.size() <= kMaxPartBytes &&
         part.find('\0') == std::string_view::npos;
}

bool IsCleanPath(std::string_view path) {
  if (path.size() > kMaxPathBytes) return false;
  while (true) {
    const size_t slash = path.find('/');
    if (!IsCleanPart(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

absl::Status BadPath(std::string_view path, std::string_view why) {
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    fmt::format("file {:?} of the bundle {}", path, why));
}

absl::Status CheckPaths(const std::vector<BundleEntry>& files) {
  std::set<std::string_view> paths;
  for (const BundleEntry& file : files) {
    if (!IsCleanPath(file.path)) return BadPath(file.path, "has no clean relative path");
    if (!paths.insert(file.path).second) return BadPath(file.path, "comes twice");
  }
  for (const std::string_view path : paths) {
    for (size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1)) {
      if (paths.count(path.substr(0, slash)) != 0) {
        return BadPath(path, "lies below another file");
      }
    }
  }
  return absl::OkStatus();
}

bool WriteEntry(int fd, const BundleEntry& file) {
  const guard::BundleFile head{static_cast<uint32_t>(file.path.size()), file.executable ? 1U : 0U,
                               file.content.size()};
  return process::WriteAll(fd, {reinterpret_cast<const char*>(&head), sizeof(head)}) &&
         process::WriteAll(fd, file.path) && process::WriteAll(fd, file.content);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SealedBundle>> SealedBundle::Make(
    const std::vector<BundleEntry>& files) {
  PENSTOCK_RETURN_IF_ERROR(CheckPaths(files));
  process::UniqueFd fd(memfd_create("penstock-bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  bool written = static_cast<bool>(fd);
  size_t bytes = 0;
  for (const BundleEntry& file : files) {
    written = written && WriteEntry(fd.get(), file);
    bytes += sizeof(guard::BundleFile) + file.path.size() + file.content.size();
  }
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (!written || fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      fmt::format("cannot keep a bundle: {}", std::strerror(errno)));
  }
  return std::shared_ptr<const SealedBundle>(new SealedBundle(std::move(fd), bytes));
}

std::shared_ptr<const SealedBundle> BundleCache::Find(const std::string& hash) {
  const auto it = entries_.find(hash);
  if (it == entries_.end()) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, it->second.used);
  return it->second.bundle;
}

void BundleCache::Put(const std::string& hash, std::shared_ptr<const SealedBundle> bundle) {
  if (Find(hash) != nullptr) return;
  bytes_ += bundle->bytes();
  by_use_.push_front(hash);
  entries_.emplace(hash, Entry{std::move(bundle), by_use_.begin()});
  while (bytes_ > max_bytes_ && by_use_.size() > 1) {
    const auto oldest = entries_.find(by_use_.back());
    bytes_ -= oldest->second.bundle->bytes();
    entries_.erase(oldest);
    by_use_.pop_back();
  }
}

}  // namespace penstock::worker::exec
