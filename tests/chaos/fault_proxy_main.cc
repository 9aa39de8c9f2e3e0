// penstock-fault-proxy LISTEN SERVER: a proxy that is told on standard input what to do to the
// bytes (fault_proxy.h lists the commands). Ends with its input. Prints the port that it listens
// on.
#include <iostream>
#include <string>

#include "common/base/clock.h"
#include "common/service/loopback.h"
#include "common/service/thread.h"
#include "tests/chaos/fault_proxy.h"

int main(int argc, char** argv) {
  using penstock::chaos::FaultProxy;
  if (argc != 3) {
    std::cerr << "usage: penstock-fault-proxy LISTEN SERVER (HOST:PORT or unix:PATH)\n";
    return 2;
  }
  const auto listen = penstock::service::ParseLoopbackAddress(argv[1]);
  const auto server = penstock::service::ParseLoopbackAddress(argv[2]);
  if (!listen.ok() || !server.ok()) {
    std::cerr << listen.status().message() << ' ' << server.status().message() << '\n';
    return 2;
  }
  const auto proxy = FaultProxy::Listen(*listen, *server, penstock::RealClock());
  if (!proxy.ok()) {
    std::cerr << proxy.status().message() << '\n';
    return 1;
  }
  std::cout << (*proxy)->port() << '\n' << std::flush;
  penstock::service::Thread carrier("proxy", [&] { (*proxy)->Run(); });
  penstock::chaos::ProxyState state;
  for (std::string line; std::getline(std::cin, line);) {
    const absl::Status status = penstock::chaos::ApplyCommand(line, &state);
    if (!status.ok()) std::cerr << status.message() << '\n';
    (*proxy)->Set(state);
  }
  (*proxy)->Stop();
  return 0;
}
