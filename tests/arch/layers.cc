#include "tests/arch/layers.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"

namespace penstock::arch {
namespace {

constexpr std::string_view kPosix = "posix";

std::vector<std::string> Words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

absl::Status Malformed(std::string_view why) {
  return MakeStatus(absl::StatusCode::kInvalidArgument, why);
}

bool IsUnder(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

// "folder x : a b : c" is {"folder x ", " a b ", " c"}.
std::vector<std::string> Parts(std::string_view line) {
  std::vector<std::string> parts;
  for (size_t colon = line.find(':'); colon != std::string_view::npos; colon = line.find(':')) {
    parts.emplace_back(line.substr(0, colon));
    line.remove_prefix(colon + 1);
  }
  parts.emplace_back(line);
  return parts;
}

}  // namespace

absl::StatusOr<Layers> Layers::Parse(std::string_view text) {
  Layers layers;
  std::istringstream in{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    line.resize(std::min(line.find('#'), line.size()));
    if (Words(line).empty()) continue;
    const absl::Status status = layers.ParseLine(line);
    if (!status.ok()) return Annotate(status, fmt::format("line {}", number));
  }
  PENSTOCK_RETURN_IF_ERROR(layers.Close());
  return layers;
}

absl::Status Layers::ParseLine(const std::string& line) {
  const std::vector<std::string> words = Words(line);
  const std::string& kind = words[0];
  if (kind == "library" && words.size() > 2) {
    for (size_t i = 2; i < words.size(); ++i) library_by_prefix_[words[i]] = words[1];
    return absl::OkStatus();
  }
  if (kind == "folder" && words.size() > 1) {
    if (folders_.contains(words[1])) return Malformed("the folder is listed twice");
    return ParsePermissions(line, &folders_[words[1]]);
  }
  if (kind == "tests") return ParsePermissions(line, &tests_);
  if (kind == "forbid") return ParseForbid(words);
  if (kind == "lines" && words.size() == 2) {
    const char* const end = words[1].data() + words[1].size();
    const auto result = std::from_chars(words[1].data(), end, max_lines_);
    return result.ptr == end ? absl::OkStatus() : Malformed("lines wants a number");
  }
  return Malformed(fmt::format("\"{}\" is not understood", kind));
}

absl::Status Layers::ParseForbid(const std::vector<std::string>& words) {
  std::vector<std::string> texts;
  std::vector<std::string> except;
  bool excepting = false;
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "except") {
      excepting = true;
    } else {
      (excepting ? except : texts).push_back(words[i]);
    }
  }
  for (const std::string& text : texts) forbidden_.push_back({text, except});
  return texts.empty() ? Malformed("forbid wants a text") : absl::OkStatus();
}

absl::Status Layers::ParsePermissions(const std::string& line, Permissions* permissions) {
  const std::vector<std::string> parts = Parts(line);
  if (parts.size() != 3) return Malformed("two colons expected");
  for (const std::string& word : Words(parts[1])) permissions->folders.insert(word);
  for (const std::string& word : Words(parts[2])) permissions->libraries.insert(word);
  return absl::OkStatus();
}

absl::Status Layers::Close() {
  PENSTOCK_RETURN_IF_ERROR(CheckNames(tests_));
  std::vector<std::string> names;
  for (const auto& entry : folders_) {
    PENSTOCK_RETURN_IF_ERROR(CheckNames(entry.second));
    names.push_back(entry.first);
  }
  for (const std::string& name : names) {
    std::set<std::string> open;
    PENSTOCK_RETURN_IF_ERROR(CloseFolder(name, &open));
  }
  const std::set<std::string> direct = tests_.folders;
  for (const std::string& folder : direct) tests_.folders.merge(std::set(folders_[folder].folders));
  return absl::OkStatus();
}

absl::Status Layers::CheckNames(const Permissions& permissions) const {
  for (const std::string& folder : permissions.folders) {
    if (!folders_.contains(folder)) return Malformed(fmt::format("no folder \"{}\"", folder));
  }
  for (const std::string& library : permissions.libraries) {
    bool known = library == kPosix;
    for (const auto& entry : library_by_prefix_) known = known || entry.second == library;
    if (!known) return Malformed(fmt::format("no library \"{}\"", library));
  }
  return absl::OkStatus();
}

absl::Status Layers::CloseFolder(const std::string& folder, std::set<std::string>* open) {
  if (closed_.contains(folder)) return absl::OkStatus();
  if (!open->insert(folder).second) {
    return Malformed(fmt::format("folder {} may include itself through others", folder));
  }
  const std::set<std::string> direct = folders_[folder].folders;
  for (const std::string& next : direct) {
    PENSTOCK_RETURN_IF_ERROR(CloseFolder(next, open));
    folders_[folder].folders.merge(std::set(folders_[next].folders));
  }
  open->erase(folder);
  closed_.insert(folder);
  return absl::OkStatus();
}

std::optional<std::string> Layers::FolderOf(std::string_view path) const {
  std::optional<std::string> best;
  for (const auto& entry : folders_) {
    const bool longer = !best.has_value() || entry.first.size() > best->size();
    if (longer && IsUnder(path, entry.first)) best = entry.first;
  }
  // Generated from proto/: included by the package's path.
  if (!best.has_value() && path.starts_with("penstock/") && folders_.contains("proto")) {
    return "proto";
  }
  return best;
}

std::optional<std::string> Layers::LibraryOf(std::string_view header) const {
  std::string_view best;
  std::optional<std::string> library;
  for (const auto& entry : library_by_prefix_) {
    const std::string_view prefix = entry.first;
    const bool matches = prefix.ends_with('/') ? header.starts_with(prefix) : header == prefix;
    if (!matches || prefix.size() < best.size()) continue;
    best = prefix;
    library = entry.second;
  }
  if (!library.has_value() && header.ends_with(".h")) return std::string(kPosix);
  return library;
}

bool Layers::MayInclude(const std::string& folder, const std::string& included,
                        bool is_test) const {
  if (folder == included || folders_.at(folder).folders.contains(included)) return true;
  return is_test && tests_.folders.contains(included);
}

bool Layers::MayUse(const std::string& folder, const std::string& library, bool is_test) const {
  if (folders_.at(folder).libraries.contains(library)) return true;
  return is_test && tests_.libraries.contains(library);
}

}  // namespace penstock::arch
