#include "worker/guard/work_dir.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/process/unique_fd.h"
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

bool CreateWorkDir(const std::string& path) { return mkdir(path.c_str(), 0700) == 0; }

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
