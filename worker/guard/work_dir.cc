#include "worker/guard/work_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/process/remove_tree.h"
#include "common/process/unique_fd.h"
#include "worker/guard/boot_clock.h"
#include "worker/guard/wire.h"

namespace penstock::worker::guard {
namespace {

using process::UniqueFd;

// A sealed memfd mapped for reading.
class Mapping {
 public:
  explicit Mapping(int fd) {
    struct stat info {};
    if (fstat(fd, &info) != 0 || info.st_size <= 0) return;
    size_ = static_cast<size_t>(info.st_size);
    data_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  ~Mapping() {
    if (data_ != MAP_FAILED) munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  std::string_view view() const {
    return data_ == MAP_FAILED ? std::string_view()
                               : std::string_view(static_cast<const char*>(data_), size_);
  }

 private:
  void* data_ = MAP_FAILED;
  size_t size_ = 0;
};

int64_t Nanos(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

// No entries but "." and "..".
bool IsEmpty(int dir) {
  alignas(dirent64) char entries[512];
  size_t names = 0;
  ssize_t got = 0;
  while ((got = getdents64(dir, entries, sizeof(entries))) > 0) {
    for (ssize_t at = 0; at < got && names <= 2; ++names) {
      at += reinterpret_cast<const dirent64*>(entries + at)->d_reclen;
    }
    if (names > 2) return false;
  }
  return got == 0;
}

bool Fail(int error) {
  errno = error;
  return false;
}

// Opens (making it if need be) the directory `name` below `dir`, not following a link.
UniqueFd EnterDir(int dir, const std::string& name) {
  if (mkdirat(dir, name.c_str(), 0700) != 0 && errno != EEXIST) return UniqueFd();
  return UniqueFd(openat(dir, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool WriteFile(int root, const BundleFile& file, std::string_view path, std::string_view content) {
  UniqueFd dir(fcntl(root, F_DUPFD_CLOEXEC, 0));
  size_t slash = 0;
  while (dir && (slash = path.find('/')) != std::string_view::npos) {
    dir = EnterDir(dir.get(), std::string(path.substr(0, slash)));
    path.remove_prefix(slash + 1);
  }
  if (!dir) return false;
  const UniqueFd out(openat(dir.get(), std::string(path).c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                            file.executable != 0 ? 0700 : 0600));
  return out && process::WriteAll(out.get(), content);
}

}  // namespace

bool WorkDir::Prepare(const std::string& path) {
  if (path == path_) return true;
  Remove();
  if (mkdir(path.c_str(), 0700) != 0) {
    if (errno != EEXIST) return false;
    // An earlier runner of this place died. What cannot be removed is moved out of the way.
    const std::string aside = path + "-left-" + std::to_string(BootMicros());
    if (!process::RemoveTree(path.c_str())) rename(path.c_str(), aside.c_str());
    if (mkdir(path.c_str(), 0700) != 0) return false;
  }
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return false;
  path_ = path;
  changed_ns_ = Nanos(info.st_ctim);
  return true;
}

void WorkDir::Clean() {
  if (!path_.empty() && !IsUntouched()) Remove();
}

// Any change of entries, mode or attributes moves the time of change on; only a change within the
// same tick as the making could hide, so entries and mode are looked at as well.
bool WorkDir::IsUntouched() const {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME;
  const UniqueFd dir(open(path_.c_str(), kFlags));
  struct stat info {};
  return dir && fstat(dir.get(), &info) == 0 && (info.st_mode & 07777) == 0700 &&
         Nanos(info.st_ctim) == changed_ns_ && IsEmpty(dir.get());
}

void WorkDir::Remove() {
  if (!path_.empty()) process::RemoveTree(path_.c_str());
  path_.clear();
}

bool UnpackBundle(int bundle_fd, const std::string& path, std::string* failed) {
  const UniqueFd root(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root) return false;
  const Mapping mapping(bundle_fd);
  std::string_view rest = mapping.view();
  while (!rest.empty()) {
    BundleFile file{};
    if (rest.size() < sizeof(file)) return Fail(EBADMSG);
    std::memcpy(&file, rest.data(), sizeof(file));
    rest.remove_prefix(sizeof(file));
    if (rest.size() < file.path_bytes || rest.size() - file.path_bytes < file.content_bytes) {
      return Fail(EBADMSG);
    }
    const std::string_view name = rest.substr(0, file.path_bytes);
    const std::string_view content = rest.substr(file.path_bytes, file.content_bytes);
    *failed = name;
    if (!WriteFile(root.get(), file, name, content)) return false;
    rest.remove_prefix(file.path_bytes + file.content_bytes);
  }
  return true;
}

int OpenOutput(const std::string& path, const std::string& name) {
  const std::string full = path + "/" + name;
  UniqueFd fd(open(full.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return -1;
  struct stat info {};
  if (fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode)) return fd.Release();
  errno = EINVAL;
  return -1;
}

}  // namespace penstock::worker::guard
