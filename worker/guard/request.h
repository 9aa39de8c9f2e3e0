#pragma once
// A request to run an attempt, put together by the main process and taken apart by the runner.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/process/unique_fd.h"
#include "worker/guard/packet.h"
#include "worker/guard/wire.h"

namespace penstock::worker::guard {

// The runner's view. Movable: the texts live on the heap.
struct Request {
  Run head{};
  std::string work_dir;
  std::string output_name;
  std::string texts;
  std::vector<const char*> argv;  // null-terminated, into `texts`
  std::vector<const char*> envp;  // null-terminated, into `texts`
  process::UniqueFd out;
  process::UniqueFd err;
  process::UniqueFd bundle;  // none: no files
};

// nullopt: not a well-formed request (the two ends were not built together).
std::optional<Request> ParseRequest(Packet packet);

// What the main process says. Borrows everything.
struct RequestPlan {
  Run head{};  // kind, counts, sizes and flags are filled in
  std::string_view work_dir;
  std::string_view output_name;
  const std::vector<std::string>* argv = nullptr;
  const std::vector<std::string>* env = nullptr;  // "KEY=value"
  int out_fd = -1;
  int err_fd = -1;
  int bundle_fd = -1;  // -1: no files
};

// False: errno tells why; the other end is gone, or E2BIG for more than 8 MiB of texts.
bool SendRequest(int socket, const RequestPlan& plan);

}  // namespace penstock::worker::guard
