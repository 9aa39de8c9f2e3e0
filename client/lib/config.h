#pragma once
// Where to connect and as whom: flags, environment and the config file, in that order.
//
// The file ($PENSTOCK_CONFIG, else $XDG_CONFIG_HOME/penstock/config.yaml, else
// ~/.config/penstock/config.yaml):
//
//   current: laptop
//   contexts:
//     laptop: {address: "127.0.0.1:7400"}
//     prod: {address: "sched-a.example:7400,sched-b.example:7400", namespace: sales}
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"

namespace penstock::client {

inline constexpr std::string_view kDefaultAddress = "127.0.0.1:7400";
inline constexpr std::string_view kDefaultPort = "7400";
inline constexpr std::string_view kDefaultNamespace = "default";

// One entry of the file. Empty = not said.
struct ContextEntry {
  std::string address;
  std::string name_space;
};

struct ConfigFile {
  std::string current;  // "" = none
  absl::btree_map<std::string, ContextEntry> contexts;
};

// What the command line says. nullopt = flag not given.
struct ConnectionFlags {
  std::optional<std::string> address;
  std::optional<std::string> name_space;
  std::optional<std::string> context;
};

// What a client needs to know.
struct Settings {
  std::vector<std::string> addresses;  // at least one, "host:port" or "unix:/path"
  std::string name_space;
  std::string context;  // the one in use; "" = none
};

// Looks a variable of the environment up; nullopt = unset. Empty values count as unset.
using GetEnv = std::function<std::optional<std::string>(std::string_view name)>;

// Strict: unknown keys and wrong types are errors that name line and column. `name` is for them.
absl::StatusOr<ConfigFile> ParseConfig(std::string_view yaml, std::string_view name);

// The file's path, or "" where neither $HOME nor the others are set.
std::string ConfigPath(const GetEnv& env);

// Reads ConfigPath(). A missing file is an empty config, unless $PENSTOCK_CONFIG names it.
absl::StatusOr<ConfigFile> LoadConfig(const GetEnv& env);

// For address and namespace each: the flag; the context of --context; PENSTOCK_ADDRESS or
// PENSTOCK_NAMESPACE; the context of PENSTOCK_CONTEXT, else the current one; the default.
absl::StatusOr<Settings> Resolve(const ConnectionFlags& flags, const GetEnv& env,
                                 const ConfigFile& file);

// "a:1, b, [::1]:2, unix:/run/x": a list separated by commas; a missing port is 7400.
absl::StatusOr<std::vector<std::string>> ParseAddresses(std::string_view list);

}  // namespace penstock::client
