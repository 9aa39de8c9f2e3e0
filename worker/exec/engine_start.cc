// Starting attempts: the part of Engine that finds a runner and hands it a request.
#include <fmt/format.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "worker/exec/engine.h"
#include "worker/exec/event_tag.h"
#include "worker/guard/request.h"

namespace penstock::worker::exec {
namespace {

int64_t Micros(absl::Duration duration) { return absl::ToInt64Microseconds(duration); }

absl::Status CheckArguments(const std::vector<std::string>& argv) {
  for (const std::string& argument : argv) {
    if (argument.find('\0') != std::string::npos) {
      return MakeStatus(absl::StatusCode::kInvalidArgument, "an argument has a NUL byte");
    }
  }
  return absl::OkStatus();
}

guard::Run HeadOf(const LaunchSpec& spec, const Engine::Options& options) {
  guard::Run head{};
  head.lease_deadline_us = spec.lease_deadline.micros();
  head.timeout_us = spec.timeout > absl::ZeroDuration() ? Micros(spec.timeout) : 0;
  head.grace_us = Micros(options.kill_grace);
  head.memory_limit_bytes = spec.memory_bytes;
  return head;
}

}  // namespace

void Engine::StartQueued() {
  while (!queued_.empty() && HasRoom()) {
    LaunchSpec spec = std::move(queued_.front());
    queued_.pop_front();
    StartAttempt(std::move(spec));
  }
}

bool Engine::HasRoom() const { return busy_ < options_.max_concurrent; }

void Engine::StartAttempt(LaunchSpec spec) {
  const absl::Status status = TryStart(spec);
  if (status.ok()) return;
  listener_.OnFinished(spec.key, FailedReport(Cause::kSpawnFailed,
                                              fmt::format("cannot start: {}", Message(status))));
}

absl::Status Engine::TryStart(const LaunchSpec& spec) {
  PENSTOCK_RETURN_IF_ERROR(CheckArguments(spec.argv));
  auto running = std::make_unique<Running>();
  running->key = spec.key;
  running->domain = spec.domain;
  running->facts = {spec.skip_exit_code, spec.timeout, spec.memory_bytes, Cause::kCancelled};
  running->sequence = next_sequence_++;
  AttemptOutput::Writers writers;
  PENSTOCK_ASSIGN_OR_RETURN(running->output, AttemptOutput::Open(options_.max_log_bytes, &writers));
  return SendToRunner(spec, std::move(running), writers);
}

absl::Status Engine::SendToRunner(const LaunchSpec& spec, std::unique_ptr<Running> running,
                                  const AttemptOutput::Writers& writers) {
  guard::RequestPlan plan;
  plan.head = HeadOf(spec, options_);
  plan.head.sequence = running->sequence;
  plan.output_name = kOutputName;
  plan.argv = &spec.argv;
  plan.out_fd = writers.out.get();
  plan.err_fd = writers.err.get();
  plan.bundle_fd = spec.bundle ? spec.bundle->fd() : -1;
  while (true) {
    PENSTOCK_ASSIGN_OR_RETURN(const uint32_t index, TakeSlot());
    Slot& slot = slots_[index];
    const std::string work_dir = fmt::format("{}/r{}", guardian_->life_dir().native(), index);
    const absl::StatusOr<std::vector<std::string>> env =
        BuildEnvironment(spec, environment_, work_dir);
    if (!env.ok()) {
      idle_.push_back(index);
      return env.status();
    }
    plan.work_dir = work_dir;
    plan.env = &*env;
    if (guard::SendRequest(slot.socket.get(), plan)) {
      slot.running = std::move(running);
      slot_by_key_[spec.key] = index;
      ++busy_;
      return absl::OkStatus();
    }
    const int error = errno;
    if (error != EPIPE && error != ECONNRESET) {
      idle_.push_back(index);
      return MakeStatus(absl::StatusCode::kInternal, std::strerror(error));
    }
    slot.socket.Reset();  // it died while idle; the guardian will tell
  }
}

absl::StatusOr<uint32_t> Engine::TakeSlot() {
  while (!idle_.empty()) {
    const uint32_t slot = idle_.front();
    idle_.pop_front();
    // An entry may be left from a runner that died here before the present one.
    if (slots_[slot].socket && slots_[slot].running == nullptr) return slot;
  }
  return NewSlot();
}

absl::StatusOr<uint32_t> Engine::NewSlot() {
  uint32_t index = static_cast<uint32_t>(slots_.size());
  if (!vacant_.empty()) {
    index = vacant_.back();
    vacant_.pop_back();
  } else {
    slots_.emplace_back();
  }
  absl::StatusOr<process::UniqueFd> socket = guardian_->NewRunner(index);
  if (!socket.ok()) {
    vacant_.push_back(index);
    return socket.status();
  }
  // If this fails the runner ends with its socket, and the guardian tells of a vacancy.
  PENSTOCK_RETURN_IF_ERROR(Watch(socket->get(), Pack({EventKind::kRunner, index})));
  slots_[index].socket = *std::move(socket);
  return index;
}

absl::Status Engine::Watch(int fd, uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kResourceExhausted,
                    fmt::format("cannot watch a descriptor: {}", std::strerror(errno)));
}

void Engine::WatchOutput(uint32_t slot) {
  const AttemptOutput& output = *slots_[slot].running->output;
  // Without a watch the output is read at the attempt's end, and the attempt may wait for that.
  const auto watch = [&](LogStream stream, EventKind kind) {
    if (output.fd(stream) >= 0) (void)Watch(output.fd(stream), Pack({kind, slot}));
  };
  watch(LogStream::kStdout, EventKind::kStdout);
  watch(LogStream::kStderr, EventKind::kStderr);
}

}  // namespace penstock::worker::exec
