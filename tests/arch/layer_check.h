#pragma once
// Holds a source tree against the table of layers.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/arch/layers.h"

namespace penstock::arch {

// Each violation is "path:line: what is wrong". `path` is relative to the tree.
std::vector<std::string> CheckSource(const Layers& layers, const std::string& path,
                                     std::string_view text);

struct TreeReport {
  int files = 0;
  std::vector<std::string> violations;
};

// All .h and .cc files below `root`'s source folders, in the order of their paths. NOT_FOUND if
// there are none: then the check would prove nothing.
absl::StatusOr<TreeReport> CheckTree(const Layers& layers, const std::filesystem::path& root);

}  // namespace penstock::arch
