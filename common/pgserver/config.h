#pragma once
// The server settings that Penstock's private clusters run with.
#include <filesystem>
#include <string>

namespace penstock::pgserver {

struct Settings {
  std::filesystem::path socket_dir;
  int max_connections = 100;
  int shared_buffers_mb = 128;
  // Off = no fsync, no full pages: a crash of the machine may destroy the cluster. Tests only.
  bool durable = true;
};

// The text of penstock.conf, rewritten at each start. An administrator's own settings belong in
// custom.conf beside it, which is read last and never touched.
std::string RenderConfig(const Settings& settings);

}  // namespace penstock::pgserver
