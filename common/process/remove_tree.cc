#include "common/process/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace penstock::process {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Directory = std::unique_ptr<DIR, CloseDir>;

// Gives ourselves the right to list, empty and move a directory; never touches a link's target.
void TakeRights(int parent, const char* name) {
  struct stat info {};
  if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode) &&
      (info.st_mode & 0700) != 0700) {
    fchmodat(parent, name, 0700, 0);
  }
}

Directory OpenBelow(int parent, const char* name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  TakeRights(parent, name);
  const int fd = openat(parent, name, kFlags);
  return Directory(fd < 0 ? nullptr : fdopendir(fd));
}

std::vector<std::string> Names(DIR* dir) {
  constexpr size_t kAtOnce = 4096;  // a directory may hold millions; the caller comes again
  std::vector<std::string> names;
  rewinddir(dir);
  while (names.size() < kAtOnce) {
    const dirent* const entry = readdir(dir);
    if (entry == nullptr) break;
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) {
      names.emplace_back(entry->d_name);
    }
  }
  return names;
}

// True when it is gone now; a directory only if it was empty.
bool RemoveOne(int parent, const char* name) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return true;
  return unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

// Flattens instead of descending: every subdirectory is emptied by moving its own subdirectories
// up into the root, so that depth costs neither stack nor descriptors nor long paths.
class Flattener {
 public:
  explicit Flattener(DIR* root) : root_(root) {}

  void Run() {
    while (Pass()) {
    }
  }

 private:
  // Whether anything was removed.
  bool Pass() {
    bool progress = false;
    for (const std::string& name : Names(root_)) progress |= RemoveEntry(name);
    return progress;
  }

  bool RemoveEntry(const std::string& name) {
    if (RemoveOne(dirfd(root_), name.c_str())) return true;
    const Directory dir = OpenBelow(dirfd(root_), name.c_str());
    if (!dir) return false;
    bool progress = false;
    while (EmptyOnce(dir.get())) progress = true;
    return unlinkat(dirfd(root_), name.c_str(), AT_REMOVEDIR) == 0 || progress;
  }

  bool EmptyOnce(DIR* dir) {
    bool progress = false;
    for (const std::string& name : Names(dir)) {
      progress |= RemoveOne(dirfd(dir), name.c_str()) || MoveToRoot(dir, name);
    }
    return progress;
  }

  bool MoveToRoot(DIR* dir, const std::string& name) {
    const std::string fresh = ".penstock-rm-" + std::to_string(moved_++);
    TakeRights(dirfd(dir), name.c_str());  // moving a directory rewrites its ".."
    return renameat(dirfd(dir), name.c_str(), dirfd(root_), fresh.c_str()) == 0;
  }

  DIR* const root_;
  uint64_t moved_ = 0;
};

}  // namespace

bool RemoveTree(const char* path) {
  if (rmdir(path) == 0 || errno == ENOENT) return true;
  {
    const Directory root = OpenBelow(AT_FDCWD, path);
    if (!root) return false;
    Flattener(root.get()).Run();
  }
  return rmdir(path) == 0;
}

}  // namespace penstock::process
