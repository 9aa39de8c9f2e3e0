#include "client/lib/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <utility>

#include "client/lib/errors.h"
#include "common/base/status_macros.h"
#include "common/dag/yaml_tree.h"

namespace penstock::client {
namespace {

using dag::Node;
using dag::NodeKind;

// Walks the tree of a config file and collects what is wrong.
class ConfigReader {
 public:
  explicit ConfigReader(const dag::YamlTree& tree, dag::Problems* problems)
      : tree_(tree), problems_(problems) {}

  ConfigFile Read() {
    ConfigFile file;
    if (tree_.root().kind == NodeKind::kNull) return file;
    if (!Expect(tree_.root(), NodeKind::kMap, "")) return file;
    tree_.ForEachEntry(tree_.root(), [&](const Node& key, const Node& value) {
      if (key.text == "current") {
        file.current = Text(value, "current");
      } else if (key.text == "contexts") {
        ReadContexts(value, &file);
      } else {
        Unknown(key, kTopKeys);
      }
    });
    return file;
  }

 private:
  static constexpr std::array<std::string_view, 2> kTopKeys = {"current", "contexts"};
  static constexpr std::array<std::string_view, 2> kEntryKeys = {"address", "namespace"};

  void ReadContexts(const Node& map, ConfigFile* file) {
    if (!Expect(map, NodeKind::kMap, "contexts")) return;
    tree_.ForEachEntry(map, [&](const Node& key, const Node& value) {
      file->contexts[std::string(key.text)] = ReadEntry(value, key.text);
    });
  }

  ContextEntry ReadEntry(const Node& map, std::string_view name) {
    ContextEntry entry;
    const std::string path = fmt::format("contexts.{}", name);
    if (!Expect(map, NodeKind::kMap, path)) return entry;
    tree_.ForEachEntry(map, [&](const Node& key, const Node& value) {
      if (key.text == "address") {
        entry.address = Text(value, path + ".address");
        CheckAddress(value, entry.address, path + ".address");
      } else if (key.text == "namespace") {
        entry.name_space = Text(value, path + ".namespace");
      } else {
        Unknown(key, kEntryKeys);
      }
    });
    return entry;
  }

  void CheckAddress(const Node& node, const std::string& text, std::string path) {
    if (text.empty()) return;
    const auto addresses = ParseAddresses(text);
    if (addresses.ok()) return;
    problems_->Add(node.place(), std::move(path), std::string(addresses.status().message()));
  }

  std::string Text(const Node& node, std::string path) {
    if (!Expect(node, NodeKind::kString, std::move(path))) return "";
    return std::string(node.text);
  }

  bool Expect(const Node& node, NodeKind kind, std::string path) {
    if (node.kind == kind) return true;
    if (node.kind == NodeKind::kBad) return false;
    problems_->Add(node.place(), std::move(path),
                   fmt::format("expected {}, found {}", Article(kind), Article(node.kind)));
    return false;
  }

  void Unknown(const Node& key, std::span<const std::string_view> known) {
    problems_->Add(key.place(), "", fmt::format("unknown key \"{}\"", key.text),
                   std::string(dag::Closest(key.text, known)));
  }

  const dag::YamlTree& tree_;
  dag::Problems* const problems_;
};

absl::Status ProblemsToStatus(std::vector<dag::Problem> problems, std::string_view name) {
  std::string text;
  for (const dag::Problem& problem : problems) {
    if (!text.empty()) text += '\n';
    text += dag::ToString(problem, name);
  }
  return UsageError(text);
}

std::optional<std::string> NonEmpty(const GetEnv& env, std::string_view name) {
  auto value = env(name);
  if (value && value->empty()) value.reset();
  return value;
}

// The context that `name` names, or an error that lists the known ones.
absl::StatusOr<ContextEntry> Find(const ConfigFile& file, std::string_view name) {
  const auto found = file.contexts.find(std::string(name));
  if (found != file.contexts.end()) return found->second;
  std::string known;
  for (const auto& [key, entry] : file.contexts) known += (known.empty() ? "" : ", ") + key;
  return UsageError(fmt::format("there is no context \"{}\" in the config file (known: {})", name,
                                known.empty() ? "none" : known));
}

// The first that is set.
std::string FirstOf(std::initializer_list<std::optional<std::string>> candidates) {
  for (const auto& candidate : candidates) {
    if (candidate && !candidate->empty()) return *candidate;
  }
  return "";
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool IsPort(std::string_view text) {
  if (text.empty() || text.size() > 5 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return false;
  }
  const int port = std::stoi(std::string(text));
  return port >= 1 && port <= 65535;
}

absl::StatusOr<std::string> ParseAddress(std::string_view text) {
  if (text.substr(0, 5) == "unix:" && text.size() > 5) return std::string(text);
  const auto bad = [&] {
    return UsageError(fmt::format("\"{}\" is not an address (host:port)", text));
  };
  std::string_view host = text;
  std::string_view port = kDefaultPort;
  const bool bracketed = !text.empty() && text.front() == '[';
  const size_t colon = bracketed ? text.find(':', text.find(']')) : text.rfind(':');
  if (colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (host.empty() || !IsPort(port)) return bad();
  if (host.find_first_of("/ \t@") != std::string_view::npos) return bad();
  if (!bracketed && host.find(':') != std::string_view::npos) return bad();
  if (bracketed && (host.size() < 4 || host.back() != ']')) return bad();
  return fmt::format("{}:{}", host, port);
}

// Nothing but blanks and comments.
bool IsBlank(std::string_view yaml) {
  while (!yaml.empty()) {
    const size_t end = std::min(yaml.find('\n'), yaml.size() - 1);
    const size_t first = yaml.find_first_not_of(" \t\r\n");
    if (first < end + 1 && yaml[first] != '#') return false;
    yaml.remove_prefix(end + 1);
  }
  return true;
}

}  // namespace

absl::StatusOr<ConfigFile> ParseConfig(std::string_view yaml, std::string_view name) {
  if (IsBlank(yaml)) return ConfigFile{};
  dag::Problems problems(20);
  dag::YamlTree tree;
  ConfigFile file;
  if (tree.Read(yaml, dag::Limits{}, &problems)) file = ConfigReader(tree, &problems).Read();
  if (!problems.empty()) return ProblemsToStatus(problems.Take(), name);
  if (!file.current.empty() && !file.contexts.contains(file.current)) {
    return UsageError(fmt::format("{}: current names the context \"{}\", which does not exist",
                                  name, file.current));
  }
  return file;
}

std::string ConfigPath(const GetEnv& env) {
  if (const auto path = NonEmpty(env, "PENSTOCK_CONFIG")) return *path;
  if (const auto xdg = NonEmpty(env, "XDG_CONFIG_HOME")) return *xdg + "/penstock/config.yaml";
  if (const auto home = NonEmpty(env, "HOME")) return *home + "/.config/penstock/config.yaml";
  return "";
}

absl::StatusOr<ConfigFile> LoadConfig(const GetEnv& env) {
  const std::string path = ConfigPath(env);
  std::ifstream in(path);
  if (path.empty() || !in) {
    if (!NonEmpty(env, "PENSTOCK_CONFIG")) return ConfigFile{};
    return UsageError(fmt::format("cannot read {} (named by PENSTOCK_CONFIG)", path));
  }
  std::ostringstream text;
  text << in.rdbuf();
  return ParseConfig(text.str(), path);
}

absl::StatusOr<Settings> Resolve(const ConnectionFlags& flags, const GetEnv& env,
                                 const ConfigFile& file) {
  ContextEntry chosen;   // by flag: goes before the environment
  ContextEntry ambient;  // by environment or the file: comes after it
  Settings settings;
  if (flags.context) {
    PENSTOCK_ASSIGN_OR_RETURN(chosen, Find(file, *flags.context));
    settings.context = *flags.context;
  } else {
    settings.context = FirstOf({env("PENSTOCK_CONTEXT"), file.current});
    if (!settings.context.empty()) {
      PENSTOCK_ASSIGN_OR_RETURN(ambient, Find(file, settings.context));
    }
  }
  const std::string address = FirstOf({flags.address, chosen.address, env("PENSTOCK_ADDRESS"),
                                       ambient.address, std::string(kDefaultAddress)});
  PENSTOCK_ASSIGN_OR_RETURN(settings.addresses, ParseAddresses(address));
  settings.name_space = FirstOf({flags.name_space, chosen.name_space, env("PENSTOCK_NAMESPACE"),
                                 ambient.name_space, std::string(kDefaultNamespace)});
  return settings;
}

absl::StatusOr<std::vector<std::string>> ParseAddresses(std::string_view list) {
  std::vector<std::string> addresses;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    PENSTOCK_ASSIGN_OR_RETURN(std::string address,
                              ParseAddress(Trim(list.substr(begin, end - begin))));
    addresses.push_back(std::move(address));
    begin = end + 1;
  }
  return addresses;
}

}  // namespace penstock::client
