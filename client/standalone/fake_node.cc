// Stands in for penstock-scheduler and penstock-worker in the tests of the supervisor: answers
// every HTTP request, holds its gRPC port, has a child as a worker has its guardian, and ends on
// SIGTERM after writing its name to $FAKE_NODE_LOG. $FAKE_NODE holds its orders, each "what:name":
//   crash   write a line to stderr and exit with 3     deaf    ignore SIGTERM
//   unready answer 503                                 stray   let the child outlive it
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

std::string FlagValue(int argc, char** argv, std::string_view flag) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (argv[i] == flag) return argv[i + 1];
  }
  return "";
}

bool Ordered(const std::string& what, const std::string& name) {
  const char* orders = std::getenv("FAKE_NODE");
  return orders != nullptr && std::strstr(orders, (what + ":" + name).c_str()) != nullptr;
}

// Listens on "host:port"; -1 for an empty address.
int Listen(const std::string& address) {
  const size_t colon = address.find(':');
  if (colon == std::string::npos) return -1;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port =
      htons(static_cast<uint16_t>(std::strtol(address.c_str() + colon + 1, nullptr, 10)));
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) != 0 || listen(fd, 16) != 0) {
    std::perror(address.c_str());
    std::exit(4);
  }
  return fd;
}

void Answer(int listener, bool ready) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  char request[1024];
  if (recv(fd, request, sizeof(request), 0) > 0) {
    const std::string_view answer = ready ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                                          : "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
  close(fd);
}

void BeGuardian(bool stray) {
  if (fork() != 0) return;
  if (!stray) prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (true) pause();
}

void NoteEnd(const std::string& name) {
  const char* log = std::getenv("FAKE_NODE_LOG");
  if (log == nullptr) return;
  const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const std::string line = name + "\n";
  [[maybe_unused]] const ssize_t written = write(fd, line.data(), line.size());
  close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = FlagValue(argc, argv, "--name");
  if (Ordered("crash", name)) {
    std::fprintf(stderr, "boom\n");
    return 3;
  }
  sigset_t terminate;
  sigemptyset(&terminate);
  sigaddset(&terminate, SIGTERM);
  sigprocmask(SIG_BLOCK, &terminate, nullptr);
  const int signal_fd = signalfd(-1, &terminate, SFD_CLOEXEC);
  Listen(FlagValue(argc, argv, "--listen"));
  const int http = Listen(FlagValue(argc, argv, "--http"));
  if (name.starts_with("worker")) BeGuardian(Ordered("stray", name));
  while (true) {
    pollfd events[] = {{http, POLLIN, 0}, {signal_fd, POLLIN, 0}};
    poll(events, 2, -1);
    if (events[0].revents != 0) Answer(http, !Ordered("unready", name));
    signalfd_siginfo info;
    if (events[1].revents == 0 || read(signal_fd, &info, sizeof(info)) < 0) continue;
    if (Ordered("deaf", name)) continue;
    NoteEnd(name);
    return 0;
  }
}
