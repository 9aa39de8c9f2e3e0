#pragma once
// The pipes that an attempt writes its standard output and error into, and how much of that is
// kept.
#include <array>
#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/process/unique_fd.h"
#include "worker/exec/launch_spec.h"

namespace penstock::worker::exec {

// The reading ends. Not thread-safe. Memory is bounded by one read, whatever the attempt writes:
// beyond the limit its output is thrown away as fast as it comes, so that it never blocks for it.
class AttemptOutput {
 public:
  using Sink = absl::FunctionRef<void(LogPiece)>;

  // Keeps `max_bytes` over both streams. The writing ends are for the attempt alone.
  struct Writers {
    process::UniqueFd out;
    process::UniqueFd err;
  };
  static absl::StatusOr<std::unique_ptr<AttemptOutput>> Open(int64_t max_bytes, Writers* writers);

  // Of kStdout or kStderr; -1 once it has ended.
  int fd(LogStream stream) const { return pipes_[Index(stream)].get(); }
  // Reads once. False: the stream has ended and its descriptor is closed.
  bool Read(LogStream stream, int64_t now_us, Sink sink);
  // Reads what is left after all writers are dead, and closes both.
  void ReadRest(int64_t now_us, Sink sink);
  bool truncated() const { return left_bytes_ < 0; }

 private:
  enum class Took { kSome, kNothing, kEnd };

  explicit AttemptOutput(int64_t max_bytes) : left_bytes_(max_bytes) {}
  static size_t Index(LogStream stream) { return stream == LogStream::kStdout ? 0 : 1; }
  Took Take(LogStream stream, int64_t now_us, Sink sink);
  Took Discard(int fd);

  std::array<process::UniqueFd, 2> pipes_;
  int64_t left_bytes_;  // -1: the limit was passed and said so
};

}  // namespace penstock::worker::exec
