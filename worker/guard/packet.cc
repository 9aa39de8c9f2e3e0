#include "worker/guard/packet.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace penstock::worker::guard {
namespace {

constexpr size_t kMaxPacketBytes = kMaxInlineBody + 1024;
using Control = std::array<char, CMSG_SPACE(sizeof(int) * kMaxPacketFds)>;

void TakeFds(msghdr* message, Packet* packet) {
  for (cmsghdr* part = CMSG_FIRSTHDR(message); part != nullptr; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      packet->fds.emplace_back(fd);
    }
  }
}

void PutFds(const int* fds, size_t count, Control* control, msghdr* message) {
  if (count == 0) return;
  message->msg_control = control->data();
  message->msg_controllen = CMSG_SPACE(sizeof(int) * count);
  cmsghdr* const part = CMSG_FIRSTHDR(message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int) * count);
  std::memcpy(CMSG_DATA(part), fds, sizeof(int) * count);
}

}  // namespace

Received Receive(int socket, Packet* packet) {
  std::array<char, kMaxPacketBytes> buffer;  // not cleared: most packets are short
  alignas(cmsghdr) Control control{};
  iovec piece{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = 0;
  do {
    got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Received::kNothing;
  if (got <= 0) return Received::kClosed;
  packet->data.assign(buffer.data(), static_cast<size_t>(got));
  packet->fds.clear();
  TakeFds(&message, packet);
  return Received::kPacket;
}

bool Send(int socket, std::string_view head, std::string_view body, const int* fds,
          size_t fd_count) {
  alignas(cmsghdr) Control control{};
  std::array<iovec, 2> pieces{{{const_cast<char*>(head.data()), head.size()},
                               {const_cast<char*>(body.data()), body.size()}}};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = body.empty() ? 1 : 2;
  if (fd_count > kMaxPacketFds) {
    errno = EMSGSIZE;
    return false;
  }
  PutFds(fds, fd_count, &control, &message);
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

}  // namespace penstock::worker::guard
