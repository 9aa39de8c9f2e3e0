#include "common/rpc/grpc_log.h"

#include <grpc/support/log.h>

#include <string_view>

#include "common/obs/log.h"

namespace penstock::rpc {
namespace {

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

void Write(gpr_log_func_args* args) {
  const auto level =
      args->severity == GPR_LOG_SEVERITY_ERROR ? obs::LogLevel::kWarning : obs::LogLevel::kDebug;
  obs::Log(level, "grpc",
           {{"text", args->message}, {"file", BaseName(args->file)}, {"line", args->line}});
}

}  // namespace

void RouteGrpcLog() { gpr_set_log_function(&Write); }

}  // namespace penstock::rpc
