#include "tests/chaos/fault_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"

namespace penstock::chaos {
namespace {

constexpr size_t kMaxWaiting = 1 << 20;  // of one direction; then the sender has to wait
constexpr size_t kRead = 64 << 10;

// A socket address, whatever its family.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

absl::StatusOr<Address> Resolve(const service::ListenAddress& from) {
  Address address;
  if (from.unix_socket) {
    auto* to = reinterpret_cast<sockaddr_un*>(&address.storage);
    if (from.host.size() >= sizeof to->sun_path) {
      return absl::InvalidArgumentError("the path is too long for a socket: " + from.host);
    }
    to->sun_family = AF_UNIX;
    std::copy(from.host.begin(), from.host.end(), to->sun_path);
    address.size = sizeof *to;
    return address;
  }
  auto* to = reinterpret_cast<sockaddr_in*>(&address.storage);
  to->sin_family = AF_INET;
  to->sin_port = htons(static_cast<uint16_t>(from.port));
  const std::string& host = from.host == "localhost" ? "127.0.0.1" : from.host;
  if (inet_pton(AF_INET, host.c_str(), &to->sin_addr) != 1) {
    return absl::InvalidArgumentError("expected an IPv4 address: " + host);
  }
  address.size = sizeof *to;
  return address;
}

absl::Status Error(std::string_view what) { return absl::ErrnoToStatus(errno, std::string(what)); }

void SendNoDelay(int fd) {
  const int on = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on Unix sockets: fine
}

// Makes the coming close() a reset.
void ResetOnClose(int fd) {
  const linger now{1, 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool Passing() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

absl::Status ApplyCommand(std::string_view line, ProxyState* state) {
  const std::vector<std::string> words = absl::StrSplit(std::string(line), ' ', absl::SkipEmpty());
  const auto bad = [&] {
    return absl::InvalidArgumentError(fmt::format(
        "unknown command '{}': expected pass, delay MS [up|down], rate BYTES [up|down], "
        "stall [up|down], reset or refuse",
        line));
  };
  if (words.empty()) return bad();
  if (words == std::vector<std::string>{"pass"}) {
    *state = ProxyState{{}, {}, false, state->resets};
    return absl::OkStatus();
  }
  if (words == std::vector<std::string>{"reset"}) return ++state->resets, absl::OkStatus();
  if (words == std::vector<std::string>{"refuse"}) return state->refuse = true, absl::OkStatus();
  const bool stall = words[0] == "stall";
  const size_t arguments = stall ? 1 : 2;
  int64_t number = 0;
  if (!stall && (words.size() < 2 || !absl::SimpleAtoi(words[1], &number) || number < 0)) {
    return bad();
  }
  if (words.size() > arguments + 1) return bad();
  const std::string side = words.size() > arguments ? words[arguments] : "";
  if (!side.empty() && side != "up" && side != "down") return bad();
  for (const auto& [name, faults] : {std::pair("up", &state->up), {"down", &state->down}}) {
    if (!side.empty() && side != name) continue;
    if (stall) {
      faults->stalled = true;
    } else if (words[0] == "delay") {
      faults->delay = absl::Milliseconds(number);
    } else if (words[0] == "rate") {
      faults->bytes_per_second = number;
    } else {
      return bad();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FaultProxy>> FaultProxy::Listen(const service::ListenAddress& listen,
                                                               const service::ListenAddress& server,
                                                               const Clock& clock) {
  std::unique_ptr<FaultProxy> proxy(new FaultProxy(server, clock));
  PENSTOCK_ASSIGN_OR_RETURN(const Address address, Resolve(listen));
  PENSTOCK_RETURN_IF_ERROR(Resolve(server).status());
  proxy->listener_.Reset(
      socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!proxy->listener_) return Error("socket");
  const int on = 1;
  (void)setsockopt(proxy->listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(proxy->listener_.get(), address.get(), address.size) != 0) {
    return Error("cannot listen on " + service::FormatAddress(listen));
  }
  if (::listen(proxy->listener_.get(), SOMAXCONN) != 0) return Error("listen");
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  if (!listen.unix_socket &&
      getsockname(proxy->listener_.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0) {
    proxy->port_ = ntohs(bound.sin_port);
  }
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) return Error("pipe");
  proxy->wake_read_.Reset(ends[0]);
  proxy->wake_write_.Reset(ends[1]);
  return proxy;
}

void FaultProxy::Set(const ProxyState& state) {
  MutexLock lock(&mu_);
  state_ = state;
  (void)!write(wake_write_.get(), "", 1);
}

void FaultProxy::Stop() {
  MutexLock lock(&mu_);
  stop_ = true;
  (void)!write(wake_write_.get(), "", 1);
}

void FaultProxy::Run() {
  ProxyState state;
  for (;;) {
    Wait(state);
    {
      MutexLock lock(&mu_);
      if (stop_) break;
      state = state_;
    }
    if (state.refuse || resets_done_ < state.resets) {
      resets_done_ = state.resets;
      Reset();
    }
    Work(state);
  }
  connections_.clear();
}

void FaultProxy::Wait(const ProxyState& state) {
  std::vector<pollfd> polls = {{wake_read_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
  const SteadyTime now = clock_.Steady();
  SteadyTime next = SteadyTime::Infinite();
  for (const Connection& connection : connections_) {
    pollfd client{connection.client.get(), 0, 0}, server{connection.server.get(), 0, 0};
    Want(connection.up, state.up, now, &client, &server, &next);
    Want(connection.down, state.down, now, &server, &client, &next);
    // A descriptor of which nothing is wanted would only report its end, again and again.
    if (client.events == 0) client.fd = -1;
    if (server.events == 0) server.fd = -1;
    polls.push_back(client);
    polls.push_back(server);
  }
  const int64_t wait_ms =
      std::clamp<int64_t>(absl::ToInt64Milliseconds(next - now + absl::Microseconds(999)), 0, 1000);
  if (poll(polls.data(), polls.size(), static_cast<int>(wait_ms)) < 0 && errno != EINTR) return;
  std::array<char, 64> drop{};
  while (read(wake_read_.get(), drop.data(), drop.size()) > 0) {
  }
}

void FaultProxy::Work(const ProxyState& state) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    const int client = it->client.get(), server = it->server.get();
    const bool alive = Take(&it->up, client, state.up) && Take(&it->down, server, state.down) &&
                       Give(&it->up, server, state.up) && Give(&it->down, client, state.down);
    const bool over = it->up.passed_on && it->down.passed_on;
    it = alive && !over ? std::next(it) : connections_.erase(it);
  }
  if (!state.refuse) return Accept();
  // One at a time: the next one may come after a `pass`.
  process::UniqueFd(accept4(listener_.get(), nullptr, nullptr, 0)).Reset();
}

void FaultProxy::Want(const Pipe& pipe, const Faults& faults, SteadyTime now, pollfd* from,
                      pollfd* to, SteadyTime* next) {
  if (!pipe.ended && pipe.waiting < kMaxWaiting) from->events |= POLLIN;
  if (faults.stalled) return;
  if (pipe.chunks.empty()) {
    if (pipe.ended && !pipe.passed_on) *next = now;
    return;
  }
  const SteadyTime due = std::max(pipe.chunks.front().due, pipe.next);
  if (due <= now) {
    to->events |= POLLOUT;
  } else {
    *next = std::min(*next, due);
  }
}

bool FaultProxy::Take(Pipe* pipe, int from, const Faults& faults) const {
  while (!pipe->ended && pipe->waiting < kMaxWaiting) {
    std::string bytes(kRead, '\0');
    const ssize_t count = read(from, bytes.data(), bytes.size());
    if (count < 0) return Passing();
    if (count == 0) {
      pipe->ended = true;
      break;
    }
    bytes.resize(static_cast<size_t>(count));
    pipe->waiting += bytes.size();
    pipe->chunks.push_back({clock_.Steady() + faults.delay, std::move(bytes)});
  }
  return true;
}

bool FaultProxy::Give(Pipe* pipe, int to, const Faults& faults) const {
  if (faults.stalled) return true;
  const SteadyTime now = clock_.Steady();
  while (!pipe->chunks.empty() && pipe->chunks.front().due <= now && pipe->next <= now) {
    std::string& bytes = pipe->chunks.front().bytes;
    size_t size = bytes.size();
    // With a limit, a hundredth of a second at a time.
    if (faults.bytes_per_second > 0) {
      size =
          std::min(size, static_cast<size_t>(std::max<int64_t>(1, faults.bytes_per_second / 100)));
    }
    const ssize_t count = send(to, bytes.data(), size, MSG_NOSIGNAL);
    if (count < 0) return Passing();
    pipe->waiting -= static_cast<size_t>(count);
    bytes.erase(0, static_cast<size_t>(count));
    if (bytes.empty()) pipe->chunks.pop_front();
    if (faults.bytes_per_second > 0) {
      pipe->next = now + absl::Seconds(static_cast<double>(count) /
                                       static_cast<double>(faults.bytes_per_second));
    }
  }
  if (pipe->ended && pipe->chunks.empty() && !pipe->passed_on) {
    pipe->passed_on = true;
    (void)shutdown(to, SHUT_WR);
  }
  return true;
}

void FaultProxy::Accept() {
  for (;;) {
    Connection connection;
    connection.client.Reset(
        accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!connection.client) return;
    const auto address = Resolve(server_);
    connection.server.Reset(socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // A server that is not there ends the client's connection, as it would without a proxy.
    if (connect(connection.server.get(), address->get(), address->size) != 0) {
      ResetOnClose(connection.client.get());
      continue;
    }
    (void)fcntl(connection.server.get(), F_SETFL, O_NONBLOCK);
    SendNoDelay(connection.client.get());
    SendNoDelay(connection.server.get());
    connections_.push_back(std::move(connection));
  }
}

void FaultProxy::Reset() {
  for (const Connection& connection : connections_) {
    ResetOnClose(connection.client.get());
    ResetOnClose(connection.server.get());
  }
  connections_.clear();
}

absl::StatusOr<std::unique_ptr<RunningProxy>> RunningProxy::Start(
    const service::ListenAddress& server, const std::string& host) {
  PENSTOCK_ASSIGN_OR_RETURN(auto proxy, FaultProxy::Listen({host, 0, false}, server, RealClock()));
  return std::unique_ptr<RunningProxy>(new RunningProxy(std::move(proxy)));
}

void RunningProxy::Command(std::string_view line) {
  PENSTOCK_CHECK(ApplyCommand(line, &state_).ok(), "a known command");
  proxy_->Set(state_);
}

}  // namespace penstock::chaos
