#pragma once
// Packets with descriptors over SOCK_SEQPACKET sockets.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/process/unique_fd.h"
#include "worker/guard/wire.h"

namespace penstock::worker::guard {

inline constexpr size_t kMaxPacketFds = 4;

struct Packet {
  std::string data;
  std::vector<process::UniqueFd> fds;

  MessageKind kind() const {
    MessageKind kind = MessageKind::kNone;
    if (data.size() >= sizeof(kind)) std::memcpy(&kind, data.data(), sizeof(kind));
    return kind;
  }
  // The struct at the front; zeroes where the packet is shorter.
  template <typename Message>
  Message As() const {
    static_assert(std::is_trivially_copyable_v<Message>);
    Message message{};
    std::memcpy(&message, data.data(), std::min(sizeof(message), data.size()));
    return message;
  }
  // What follows the struct.
  template <typename Message>
  std::string_view BodyAfter() const {
    return std::string_view(data).substr(std::min(sizeof(Message), data.size()));
  }
};

enum class Received : uint8_t { kPacket, kNothing, kClosed };

// Takes one packet without waiting. kClosed: the other end is gone (or the socket is unusable).
Received Receive(int socket, Packet* packet);

// Sends without waiting; `body` follows the struct's bytes. False: the other end is gone or does
// not read (errno tells).
bool Send(int socket, std::string_view head, std::string_view body, const int* fds,
          size_t fd_count);

template <typename Message>
bool Send(int socket, const Message& message, std::string_view body = {},
          const std::vector<int>& fds = {}) {
  static_assert(std::is_trivially_copyable_v<Message>);
  const std::string_view head(reinterpret_cast<const char*>(&message), sizeof(message));
  return Send(socket, head, body, fds.data(), fds.size());
}

}  // namespace penstock::worker::guard
