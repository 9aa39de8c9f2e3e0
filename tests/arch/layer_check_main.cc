// layer_check ROOT: holds the tree at ROOT against ROOT/tests/arch/layers.txt. Exit codes: 0 clean,
// 1 violations (listed), 2 cannot check.
#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "common/base/status.h"
#include "tests/arch/layer_check.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: layer_check ROOT\n");
    return 2;
  }
  const std::filesystem::path root = argv[1];
  std::ifstream file(root / "tests/arch/layers.txt");
  const std::string table{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto layers = penstock::arch::Layers::Parse(table);
  if (!layers.ok()) {
    fmt::print(stderr, "tests/arch/layers.txt: {}\n", penstock::Message(layers.status()));
    return 2;
  }
  const auto report = penstock::arch::CheckTree(*layers, root);
  if (!report.ok()) {
    fmt::print(stderr, "{}\n", penstock::Message(report.status()));
    return 2;
  }
  for (const std::string& violation : report->violations) fmt::print("{}\n", violation);
  fmt::print("{} files, {} violations\n", report->files, report->violations.size());
  return report->violations.empty() ? 0 : 1;
}
