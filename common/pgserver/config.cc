#include "common/pgserver/config.h"

#include <fmt/format.h>

namespace penstock::pgserver {
namespace {

// A list setting in a quoted value: the inner quotes keep commas and blanks of a path together.
std::string QuotedPath(const std::filesystem::path& path) {
  std::string quoted = "'\"";
  for (const char c : path.string()) {
    quoted += c;
    if (c == '\'' || c == '"') quoted += c;
  }
  return quoted + "\"'";
}

constexpr std::string_view kFixed = R"(listen_addresses = ''
unix_socket_permissions = 0700
port = 5432
synchronous_commit = on
# Many small commits: let checkpoints be rare and spread out.
wal_buffers = '16MB'
max_wal_size = '2GB'
min_wal_size = '128MB'
checkpoint_timeout = '15min'
checkpoint_completion_target = 0.9
# Short statements by primary key gain nothing from compiled or parallel plans.
jit = off
max_parallel_workers_per_gather = 0
random_page_cost = 1.1
# Insert-only and narrow, often updated tables: vacuum early, in big steps.
autovacuum_vacuum_scale_factor = 0.05
autovacuum_analyze_scale_factor = 0.05
autovacuum_vacuum_insert_scale_factor = 0.2
autovacuum_vacuum_cost_limit = 2000
# A stop waits so long for a connection that came while the server started or stopped and has said
# nothing yet: PostgreSQL signals such a process in no way.
authentication_timeout = '5s'
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_line_prefix = '%m [%p] %q%a@%d '
log_checkpoints = off
)";

}  // namespace

std::string RenderConfig(const Settings& settings) {
  std::string text = "# Written by Penstock at each start; put your own settings in custom.conf.\n";
  text += kFixed;
  text += fmt::format("unix_socket_directories = {}\n", QuotedPath(settings.socket_dir));
  text += fmt::format("max_connections = {}\n", settings.max_connections);
  text += fmt::format("shared_buffers = '{}MB'\n", settings.shared_buffers_mb);
  const char* durable = settings.durable ? "on" : "off";
  text += fmt::format("fsync = {0}\nfull_page_writes = {0}\n", durable);
  return text + "include_if_exists = 'custom.conf'\n";
}

}  // namespace penstock::pgserver
