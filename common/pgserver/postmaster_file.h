#pragma once
// Reads the server's own postmaster.pid and judges whether the process it names is that server.
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::pgserver {

struct PostmasterFile {
  pid_t pid = 0;
  std::string socket_dir;  // empty while the server is starting
  std::string status;      // "starting", "ready", "stopping", ...; empty at first
};

// None when the text does not start with a process id.
std::optional<PostmasterFile> ParsePostmasterFile(std::string_view text);
// None when there is no such file in `data_dir`: no server, or one that ended in an orderly way.
std::optional<PostmasterFile> ReadPostmasterFile(const std::filesystem::path& data_dir);

// Whether process `pid` lives and is the postmaster of `data_dir`: never true of an unrelated
// process that was given the same number later.
bool IsPostmasterOf(pid_t pid, const std::filesystem::path& data_dir);

// Kills every server process whose working directory is `data_dir` (those that outlived their
// postmaster would keep the cluster from being opened again). Sees only what the calling user
// may inspect. Returns how many it signalled.
int KillStrays(const std::filesystem::path& data_dir);

}  // namespace penstock::pgserver
