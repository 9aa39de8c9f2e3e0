#include "worker/exec/attempt_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/status.h"

namespace penstock::worker::exec {
namespace {

using process::UniqueFd;

constexpr size_t kReadBytes = size_t{64} * 1024;

absl::Status MakePipe(UniqueFd* reader, UniqueFd* writer) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      fmt::format("cannot create a pipe: {}", std::strerror(errno)));
  }
  reader->Reset(ends[0]);
  writer->Reset(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return absl::OkStatus();
}

int NullDevice() {
  static const int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AttemptOutput>> AttemptOutput::Open(int64_t max_bytes,
                                                                   Writers* writers) {
  std::unique_ptr<AttemptOutput> output(new AttemptOutput(std::max<int64_t>(max_bytes, 0)));
  absl::Status status = MakePipe(&output->pipes_[0], &writers->out);
  if (status.ok()) status = MakePipe(&output->pipes_[1], &writers->err);
  if (!status.ok()) return status;
  return output;
}

bool AttemptOutput::Read(LogStream stream, int64_t now_us, Sink sink) {
  if (Take(stream, now_us, sink) != Took::kEnd) return true;
  pipes_[Index(stream)].Reset();
  return false;
}

void AttemptOutput::ReadRest(int64_t now_us, Sink sink) {
  for (const LogStream stream : {LogStream::kStdout, LogStream::kStderr}) {
    while (fd(stream) >= 0 && Take(stream, now_us, sink) == Took::kSome) {
    }
    pipes_[Index(stream)].Reset();
  }
}

AttemptOutput::Took AttemptOutput::Take(LogStream stream, int64_t now_us, Sink sink) {
  std::array<char, kReadBytes> buffer;  // not cleared
  const int pipe = fd(stream);
  if (truncated()) return Discard(pipe);
  const ssize_t got = read(pipe, buffer.data(), buffer.size());
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Took::kNothing : Took::kEnd;
  if (got == 0) return Took::kEnd;
  LogPiece piece;
  piece.stream = stream;
  piece.at_us = now_us;
  piece.truncated = got > left_bytes_;
  piece.bytes.assign(buffer.data(), static_cast<size_t>(std::min<int64_t>(got, left_bytes_)));
  left_bytes_ = piece.truncated ? -1 : left_bytes_ - got;
  sink(std::move(piece));
  return Took::kSome;
}

AttemptOutput::Took AttemptOutput::Discard(int fd) {
  constexpr size_t kAtOnce = size_t{1} << 20;
  const ssize_t moved = splice(fd, nullptr, NullDevice(), nullptr, kAtOnce, SPLICE_F_NONBLOCK);
  if (moved > 0) return Took::kSome;
  return moved < 0 && (errno == EAGAIN || errno == EINTR) ? Took::kNothing : Took::kEnd;
}

}  // namespace penstock::worker::exec
