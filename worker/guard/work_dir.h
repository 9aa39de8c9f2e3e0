#pragma once
// The working directory of an attempt: made, filled with the files of its DAG version, removed.
#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::worker::guard {

// One working directory, given to one attempt after another. An attempt that left it untouched
// leaves it to the next: making and removing directories waits for the disk's journal, which a
// database on the same disk keeps busy.
class WorkDir {
 public:
  WorkDir() = default;
  ~WorkDir() { Remove(); }
  WorkDir(const WorkDir&) = delete;
  WorkDir& operator=(const WorkDir&) = delete;

  // Makes `path` an empty directory with mode 0700; its parent must exist. What lies there from
  // before is removed. False: errno tells why.
  bool Prepare(const std::string& path);
  // Call it when the attempt and all it started are dead: keeps the directory only if nothing at
  // all has changed in it.
  void Clean();

 private:
  bool IsUntouched() const;
  void Remove();

  std::string path_;  // empty: there is none
  int64_t changed_ns_ = 0;
};

// Writes the files of a sealed bundle (wire.h, BundleFile) below `path`, which must be fresh. Files
// are owned by the attempt, mode 0600 or 0700: it may change its copy, the bundle stays as it is.
// False: `failed` names the file, errno tells why; EBADMSG for a malformed bundle.
bool UnpackBundle(int bundle_fd, const std::string& path, std::string* failed);

// Opens the output file without following a link or waiting for a pipe. -1: errno tells why; EINVAL
// when it is not a regular file.
int OpenOutput(const std::string& path, const std::string& name);

}  // namespace penstock::worker::guard
