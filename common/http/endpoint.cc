#include "common/http/endpoint.h"

#include <fmt/core.h>
#include <httplib.h>
#include <sys/socket.h>

#include <string_view>
#include <utility>

#include "common/base/check.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/service/event.h"
#include "common/service/executor.h"
#include "common/service/loopback.h"
#include "common/service/thread.h"

namespace penstock::http {
namespace {

// Puts the library's connections on one of our executors. When all threads are busy the accepting
// thread waits, and further clients with it in the kernel's queue: nothing is dropped half-open.
class ConnectionQueue final : public httplib::TaskQueue {
 public:
  ConnectionQueue(service::Executor& executor, size_t max_open)
      : executor_(executor), max_open_(max_open) {}

  void enqueue(std::function<void()> serve) override {
    {
      MutexLock lock(&mu_);
      while (open_ >= max_open_) changed_.Wait(&mu_);
      ++open_;
    }
    const bool posted = executor_.TryPost([this, serve = std::move(serve)] {
      serve();
      CloseOne();
    });
    PENSTOCK_CHECK(posted, "the executor's queue holds every open connection");
  }

  void shutdown() override {
    MutexLock lock(&mu_);
    while (open_ > 0) changed_.Wait(&mu_);
  }

 private:
  void CloseOne() {
    MutexLock lock(&mu_);
    --open_;
    changed_.SignalAll();
  }

  service::Executor& executor_;
  const size_t max_open_;
  Mutex mu_;
  CondVar changed_;
  size_t open_ ABSL_GUARDED_BY(mu_) = 0;
};

// The library takes paths as regular expressions.
std::string EscapePattern(std::string_view path) {
  std::string pattern;
  for (const char c : path) {
    if (std::string_view(R"(\^$.|?*+()[]{})").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

Request FromLibrary(const httplib::Request& in) {
  return {in.method, in.path, {in.params.begin(), in.params.end()}, in.body};
}

httplib::Server::Handler ToLibrary(Handler handler) {
  return [handler = std::move(handler)](const httplib::Request& in, httplib::Response& out) {
    const Response response = handler(FromLibrary(in));
    out.status = response.status;
    out.set_content(response.body, response.content_type);
  };
}

constexpr int kBacklog = 128;

// No SO_REUSEPORT (the library's default): a second server on a port must be refused.
void SetSocketOptions(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

}  // namespace

class Endpoint::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)), address_(options_.address) {}
  ~Impl() { Stop(); }

  void Handle(const std::string& method, const std::string& path, Handler handler) {
    PENSTOCK_CHECK(method == "GET" || method == "POST", "only GET and POST are served");
    PENSTOCK_CHECK(accepting_ == nullptr, "handlers come before Start");
    if (method == "GET") {
      server_.Get(EscapePattern(path), ToLibrary(std::move(handler)));
    } else {
      server_.Post(EscapePattern(path), ToLibrary(std::move(handler)));
    }
  }

  absl::Status Start() {
    PENSTOCK_CHECK(accepting_ == nullptr, "the endpoint runs already");
    PENSTOCK_ASSIGN_OR_RETURN(service::ListenAddress address,
                              service::ParseLoopbackAddress(options_.address));
    if (address.unix_socket) {
      return MakeStatus(absl::StatusCode::kInvalidArgument, "HTTP is not served on Unix sockets");
    }
    Configure();
    PENSTOCK_RETURN_IF_ERROR(Bind(&address));
    address_ = service::FormatAddress(address);
    accepting_ =
        std::make_unique<service::Thread>("http-accept", [this] { server_.listen_after_bind(); });
    running_.Wait();
    return absl::OkStatus();
  }

  const std::string& address() const { return address_; }

  void Stop() {
    if (accepting_ == nullptr) return;
    server_.stop();
    accepting_->Join();
    executor_->Shutdown();
  }

 private:
  static constexpr size_t kMaxOpen = 256;

  void Configure() {
    service::Executor::Options pool;
    pool.name = "http";
    pool.threads = options_.threads;
    pool.max_queue = kMaxOpen;
    executor_ = std::make_unique<service::Executor>(pool);
    // Called once the server runs: from then on stop() takes effect.
    server_.new_task_queue = [this] {
      running_.Set();
      return new ConnectionQueue(*executor_, kMaxOpen);
    };
    server_.set_socket_options([this](socket_t socket) {
      SetSocketOptions(socket);
      listening_ = socket;
    });
    server_.set_keep_alive_max_count(1);
    server_.set_read_timeout(options_.io_timeout_seconds);
    server_.set_write_timeout(options_.io_timeout_seconds);
    server_.set_payload_max_length(options_.max_body_bytes);
  }

  absl::Status Bind(service::ListenAddress* address) {
    bool bound = false;
    if (address->port == 0) {
      address->port = server_.bind_to_any_port(address->host);
      bound = address->port > 0;
    } else {
      bound = server_.bind_to_port(address->host, address->port);
    }
    // Again, with a longer queue than the library's 5: clients beyond it would wait a whole second.
    if (bound && listen(listening_, kBacklog) == 0) return absl::OkStatus();
    return MakeStatus(absl::StatusCode::kUnavailable,
                      fmt::format("cannot listen on {}: the address is in use or not permitted",
                                  options_.address));
  }

  const Options options_;
  std::string address_;
  httplib::Server server_;
  socket_t listening_ = INVALID_SOCKET;  // the server's own
  service::Event running_;
  std::unique_ptr<service::Executor> executor_;  // outlives the accepting thread
  std::unique_ptr<service::Thread> accepting_;
};

Endpoint::Endpoint(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Endpoint::~Endpoint() = default;

void Endpoint::Handle(const std::string& method, const std::string& path, Handler handler) {
  impl_->Handle(method, path, std::move(handler));
}

absl::Status Endpoint::Start() { return impl_->Start(); }

const std::string& Endpoint::address() const { return impl_->address(); }

void Endpoint::Stop() { impl_->Stop(); }

}  // namespace penstock::http
