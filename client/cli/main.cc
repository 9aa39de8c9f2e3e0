// The `penstock` command.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "client/cli/app.h"
#include "client/cli/interrupt.h"

namespace {

std::optional<std::string> GetVariable(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// Asked again for each frame, so a resized terminal is noticed at once.
size_t TerminalColumns() {
  struct winsize size {};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  // gRPC's own log lines say nothing that the errors do not; who debugs sets the variable.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  penstock::client::Environment env;
  env.in = &std::cin;
  env.out = &std::cout;
  env.err = &std::cerr;
  env.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  env.columns = TerminalColumns;
  env.interrupted = penstock::client::Interrupted;
  env.get_env = GetVariable;
  env.clock = &penstock::RealClock();
  return penstock::client::RunCli(std::vector<std::string>(argv + 1, argv + argc), env);
}
