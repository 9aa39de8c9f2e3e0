// What comes back: the part of Engine that hears runners, the guardian and attempts.
#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "worker/exec/engine.h"
#include "worker/exec/event_tag.h"
#include "worker/exec/output.h"

namespace penstock::worker::exec {
namespace {

constexpr absl::Duration kRunnerPatience = absl::Seconds(5);
constexpr int kPollMs = 100;

}  // namespace

absl::Status Engine::HandleEvents() {
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
  for (int i = 0; i < count; ++i) {
    const EventTag tag = Unpack(events[static_cast<size_t>(i)].data.u64);
    switch (tag.kind) {
      case EventKind::kWake: {
        uint64_t times = 0;
        (void)!read(wake_.get(), &times, sizeof(times));
        break;
      }
      case EventKind::kGuardian:
        PENSTOCK_RETURN_IF_ERROR(HandleGuardian());
        break;
      case EventKind::kRunner:
        HandleRunner(tag.slot);
        break;
      case EventKind::kStdout:
        HandleOutput(tag.slot, LogStream::kStdout);
        break;
      case EventKind::kStderr:
        HandleOutput(tag.slot, LogStream::kStderr);
        break;
    }
  }
  return absl::OkStatus();
}

absl::Status Engine::HandleGuardian() {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<uint32_t> gone, guardian_->Receive());
  for (const uint32_t slot : gone) RunnerGone(slot);
  return absl::OkStatus();
}

void Engine::HandleRunner(uint32_t slot) {
  while (slots_[slot].socket) {
    guard::Packet packet;
    const guard::Received received = guard::Receive(slots_[slot].socket.get(), &packet);
    if (received == guard::Received::kNothing) return;
    if (received == guard::Received::kClosed) {
      slots_[slot].socket.Reset();  // its attempt is dead when the guardian says so
    } else {
      HandlePacket(slot, std::move(packet));
    }
  }
}

void Engine::HandlePacket(uint32_t slot, guard::Packet packet) {
  if (slots_[slot].running == nullptr) return;
  const uint64_t sequence = slots_[slot].running->sequence;
  if (packet.kind() == guard::MessageKind::kStarted) {
    const auto message = packet.As<guard::Started>();
    if (message.sequence == sequence) Started(slot, message);
  } else if (packet.kind() == guard::MessageKind::kEnded) {
    const auto message = packet.As<guard::Ended>();
    if (message.sequence == sequence) Ended(slot, message, packet);
  }
}

void Engine::HandleOutput(uint32_t slot, LogStream stream) {
  Running* const running = slots_[slot].running.get();
  // An event may have waited in line behind the end of its attempt.
  if (running == nullptr || running->paused || running->output->fd(stream) < 0) return;
  running->output->Read(stream, WallMicros(),
                        [&](LogPiece piece) { listener_.OnLog(running->key, std::move(piece)); });
}

void Engine::RunnerGone(uint32_t slot) {
  if (slot >= slots_.size()) return;
  HandleRunner(slot);  // it may have reported before it died
  if (slots_[slot].running != nullptr) {
    Finish(slot, FailedReport(Cause::kWorkerLost, "the process that guarded it was killed"));
  }
  slots_[slot].socket.Reset();
  vacant_.push_back(slot);
}

void Engine::Started(uint32_t slot, const guard::Started& message) {
  Running& running = *slots_[slot].running;
  running.started = true;
  if (!running.paused) WatchOutput(slot);
  listener_.OnStarted(running.key, WallMicrosAt(message.started_us));
}

void Engine::Ended(uint32_t slot, const guard::Ended& message, const guard::Packet& packet) {
  const int fd = packet.fds.empty() ? -1 : packet.fds[0].get();
  Running& running = *slots_[slot].running;
  Report report = Judge(message, running.facts, ReadOutput(message, fd));
  if (message.pid != 0) {
    report.started_at_us = WallMicrosAt(message.started_us);
    running.started = true;  // a short attempt is told about once, by its end
  }
  report.finished_at_us = WallMicrosAt(message.ended_us);
  Finish(slot, std::move(report));
  if (slots_[slot].socket) idle_.push_back(slot);
}

void Engine::Finish(uint32_t slot, Report report) {
  const std::unique_ptr<Running> running = std::move(slots_[slot].running);
  slot_by_key_.erase(running->key);
  --busy_;
  const int64_t now_us = WallMicros();
  if (running->started) {
    running->output->ReadRest(
        now_us, [&](LogPiece piece) { listener_.OnLog(running->key, std::move(piece)); });
    LogPiece last{LogStream::kSystem, now_us, "", false, true};
    if (!report.error.empty()) last.bytes = fmt::format("penstock: {}\n", report.error);
    listener_.OnLog(running->key, std::move(last));
  }
  listener_.OnFinished(running->key, std::move(report));
}

// The runners outlive the guardian just long enough to kill their trees, and nobody should cut them
// short: whoever strikes at them may be stopped halfway, with them and their trees stopped too.
void Engine::AwaitRunners() {
  const SteadyTime deadline = clock_.Steady() + kRunnerPatience;
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    while (slots_[slot].socket && clock_.Steady() < deadline) {
      pollfd polled{slots_[slot].socket.get(), POLLIN, 0};
      poll(&polled, 1, kPollMs);
      HandleRunner(slot);
    }
  }
}

void Engine::FinishAll(std::string_view why) {
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    HandleRunner(slot);
    if (slots_[slot].running != nullptr) {
      Finish(slot, FailedReport(Cause::kWorkerLost, std::string(why)));
    }
  }
  for (const LaunchSpec& spec : std::exchange(queued_, {})) {
    listener_.OnFinished(spec.key, FailedReport(Cause::kWorkerLost, std::string(why)));
  }
}

// Only an attempt that exited well is asked for its output.
absl::StatusOr<std::string> Engine::ReadOutput(const guard::Ended& ended, int fd) const {
  const bool well = ended.by == guard::EndedBy::kItself && WIFEXITED(ended.wait_status) &&
                    WEXITSTATUS(ended.wait_status) == 0;
  if (!well || ended.output_error == ENOENT) return std::string();
  if (fd < 0) {
    return MakeStatus(
        absl::StatusCode::kInvalidArgument,
        ended.output_error == EINVAL || ended.output_error == ELOOP
            ? std::string("$PENSTOCK_OUTPUT is not a regular file")
            : fmt::format("cannot read $PENSTOCK_OUTPUT: {}", std::strerror(ended.output_error)));
  }
  std::string text(options_.max_output_bytes + 1, '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  if (got < 0) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      fmt::format("cannot read $PENSTOCK_OUTPUT: {}", std::strerror(errno)));
  }
  text.resize(static_cast<size_t>(got));
  return ParseOutput(text, options_.max_output_bytes);
}

int64_t Engine::WallMicros() const { return absl::ToUnixMicros(clock_.Wall()); }

int64_t Engine::WallMicrosAt(int64_t boot_us) const {
  const Now now = clock_.Read();
  return absl::ToUnixMicros(now.wall) - (now.steady.micros() - boot_us);
}

}  // namespace penstock::worker::exec
