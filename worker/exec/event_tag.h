#pragma once
// What an epoll event of the engine is about.
#include <cstdint>

namespace penstock::worker::exec {

enum class EventKind : uint8_t { kWake = 0, kGuardian, kRunner, kStdout, kStderr };

struct EventTag {
  EventKind kind;
  uint32_t slot;
};

constexpr uint64_t Pack(EventTag tag) {
  return uint64_t{tag.slot} << 8 | static_cast<uint64_t>(tag.kind);
}
constexpr EventTag Unpack(uint64_t data) {
  return {static_cast<EventKind>(data & 0xff), static_cast<uint32_t>(data >> 8)};
}

}  // namespace penstock::worker::exec
