#pragma once
// A TCP proxy between two parts of a cluster that does what bad networks do, on command. It stands
// in for `tc netem`, which test machines do not have. Loopback only.
#include <poll.h>

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/process/unique_fd.h"
#include "common/service/loopback.h"
#include "common/service/thread.h"

namespace penstock::chaos {

// What is done to the bytes of one direction. Values only.
struct Faults {
  absl::Duration delay;          // each byte arrives so much later
  int64_t bytes_per_second = 0;  // 0 = as fast as it goes
  bool stalled = false;          // nothing arrives; what is sent waits, up to the buffers
};

// The commands, one per line:
//   pass                          no faults; what waited arrives
//   delay MS [up|down]            milliseconds each way; both ways without a word
//   rate BYTES [up|down]          bytes per second; 0 = no limit
//   stall [up|down]               up = towards the server
//   reset                         ends all connections once (RST)
//   refuse                        ends all connections, and every new one until `pass`
struct ProxyState {
  Faults up, down;
  bool refuse = false;
  int resets = 0;  // how often `reset` was said
};
// Applies a command. INVALID_ARGUMENT says what is known.
absl::Status ApplyCommand(std::string_view line, ProxyState* state);

class FaultProxy {
 public:
  // Listens on `listen` (port 0 = any free one) and connects each connection to `server`. Both are
  // loopback addresses or Unix sockets.
  static absl::StatusOr<std::unique_ptr<FaultProxy>> Listen(const service::ListenAddress& listen,
                                                            const service::ListenAddress& server,
                                                            const Clock& clock);

  int port() const { return port_; }
  // Thread-safe; takes effect at once.
  void Set(const ProxyState& state) ABSL_LOCKS_EXCLUDED(mu_);
  // Carries bytes until Stop(). One thread.
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  // Thread-safe.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Chunk {
    SteadyTime due;
    std::string bytes;
  };
  // One direction of a connection.
  struct Pipe {
    std::deque<Chunk> chunks;
    size_t waiting = 0;      // bytes in `chunks`
    bool ended = false;      // the sender has closed
    bool passed_on = false;  // and the receiver has been told
    SteadyTime next;         // when the rate allows more
  };
  struct Connection {
    process::UniqueFd client, server;
    Pipe up, down;
  };

  FaultProxy(const service::ListenAddress& server, const Clock& clock)
      : server_(server), clock_(clock) {}
  void Accept();
  void Reset();
  // Until there is something to do, or a byte is due, or the state has changed.
  void Wait(const ProxyState& state);
  void Work(const ProxyState& state);
  // Reads what has come; false when the connection is broken.
  bool Take(Pipe* pipe, int from, const Faults& faults) const;
  // Writes what is due; false when the connection is broken.
  bool Give(Pipe* pipe, int to, const Faults& faults) const;
  // What to wait for on behalf of one direction; shortens `wait` when bytes become due later.
  static void Want(const Pipe& pipe, const Faults& faults, SteadyTime now, pollfd* from, pollfd* to,
                   SteadyTime* next);

  const service::ListenAddress server_;
  const Clock& clock_;
  int port_ = 0;
  process::UniqueFd listener_, wake_read_, wake_write_;
  std::list<Connection> connections_;  // of Run()'s thread
  int resets_done_ = 0;

  Mutex mu_;
  ProxyState state_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
};

// A proxy and the thread that runs it.
class RunningProxy {
 public:
  // Listens on any free port of `host`, which is a loopback address.
  static absl::StatusOr<std::unique_ptr<RunningProxy>> Start(const service::ListenAddress& server,
                                                             const std::string& host = "127.0.0.1");
  ~RunningProxy() { proxy_->Stop(); }
  RunningProxy(const RunningProxy&) = delete;
  RunningProxy& operator=(const RunningProxy&) = delete;
  // One of fault_proxy.h's commands, which must be right.
  void Command(std::string_view line);
  int port() const { return proxy_->port(); }

 private:
  explicit RunningProxy(std::unique_ptr<FaultProxy> proxy)
      : proxy_(std::move(proxy)), thread_("proxy", [this] { proxy_->Run(); }) {}
  const std::unique_ptr<FaultProxy> proxy_;
  ProxyState state_;
  service::Thread thread_;
};

}  // namespace penstock::chaos
