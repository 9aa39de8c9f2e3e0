#pragma once
// The table of layers (layers.txt) and what follows from it.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace penstock::arch {

struct Forbidden {
  std::string text;
  std::vector<std::string> except;  // files, or folders ending in '/'
};

// One folder's permissions.
struct Permissions {
  std::set<std::string> folders;
  std::set<std::string> libraries;
};

// Immutable once parsed. Paths are relative to the source tree, with '/'.
class Layers {
 public:
  // INVALID_ARGUMENT with the line's number for what is malformed, names an unknown folder or
  // library, or closes a cycle of folders.
  static absl::StatusOr<Layers> Parse(std::string_view text);

  // The listed folder to which a file or an include belongs (the longest one); empty if none does.
  std::optional<std::string> FolderOf(std::string_view path) const;
  // The library of a header that no folder owns; empty = a free standard header.
  std::optional<std::string> LibraryOf(std::string_view header) const;
  bool MayInclude(const std::string& folder, const std::string& included, bool is_test) const;
  bool MayUse(const std::string& folder, const std::string& library, bool is_test) const;
  const std::vector<Forbidden>& forbidden() const { return forbidden_; }
  size_t max_lines() const { return max_lines_; }

 private:
  absl::Status ParseLine(const std::string& line);
  absl::Status ParseForbid(const std::vector<std::string>& words);
  absl::Status ParsePermissions(const std::string& line, Permissions* permissions);
  absl::Status CheckNames(const Permissions& permissions) const;
  absl::Status Close();
  absl::Status CloseFolder(const std::string& folder, std::set<std::string>* open);

  std::map<std::string, std::string> library_by_prefix_;
  std::map<std::string, Permissions> folders_;  // closed over what is included
  std::set<std::string> closed_;
  Permissions tests_;
  std::vector<Forbidden> forbidden_;
  size_t max_lines_ = 0;
};

}  // namespace penstock::arch
