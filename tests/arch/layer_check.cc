#include "tests/arch/layer_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "common/base/status.h"
#include "tests/arch/source_text.h"

namespace penstock::arch {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 5> kSourceFolders = {"client", "common", "scheduler", "tests",
                                                       "worker"};

// x_test.cc, and what several of them share: x_test_base.h, x_fixture.h.
bool IsUnitTest(const std::string& path) {
  const std::string stem = fs::path(path).stem().string();
  return stem.ends_with("_test") || stem.ends_with("_fixture") ||
         stem.find("_test_") != std::string::npos;
}

class SourceCheck {
 public:
  SourceCheck(const Layers& layers, const std::string& path, std::string_view text)
      : layers_(layers), path_(path), text_(text) {}

  std::vector<std::string> Run() {
    const std::optional<std::string> folder = layers_.FolderOf(path_);
    if (folder.has_value()) {
      CheckIncludes(*folder);
    } else {
      Complain(1, "its folder is not in layers.txt");
    }
    CheckForbidden();
    CheckShape();
    return std::move(violations_);
  }

 private:
  void Complain(int line, std::string_view what) {
    violations_.push_back(fmt::format("{}:{}: {}", path_, line, what));
  }

  void CheckIncludes(const std::string& folder) {
    const bool is_test = IsUnitTest(path_);
    for (const Include& include : Includes(text_)) {
      if (const auto owner = layers_.FolderOf(include.header); owner.has_value()) {
        if (layers_.MayInclude(folder, *owner, is_test)) continue;
        Complain(include.line, fmt::format("{} may not include {}", folder, *owner));
      } else if (const auto library = layers_.LibraryOf(include.header); library.has_value()) {
        if (layers_.MayUse(folder, *library, is_test)) continue;
        Complain(include.line,
                 fmt::format("{} may not use {} ({})", folder, *library, include.header));
      }
    }
  }

  void CheckForbidden() {
    const std::string code = CodeOnly(text_);
    for (const Forbidden& rule : layers_.forbidden()) {
      if (IsExcepted(rule)) continue;
      for (const int line : LinesWith(code, rule.text)) {
        Complain(line, fmt::format("{} is forbidden here", rule.text));
      }
    }
  }

  bool IsExcepted(const Forbidden& rule) const {
    return std::any_of(rule.except.begin(), rule.except.end(), [this](const std::string& path) {
      return path.ends_with('/') ? path_.starts_with(path) : path_ == path;
    });
  }

  void CheckShape() {
    const auto lines = static_cast<size_t>(CountLines(text_));
    if (layers_.max_lines() != 0 && lines > layers_.max_lines()) {
      Complain(1, fmt::format("{} lines, more than {}: split it", lines, layers_.max_lines()));
    }
    if (path_.ends_with(".h") && LinesWith(CodeOnly(text_), "#pragma once").empty()) {
      Complain(1, "a header without #pragma once");
    }
  }

  const Layers& layers_;
  const std::string& path_;
  const std::string_view text_;
  std::vector<std::string> violations_;
};

std::vector<fs::path> SourcesBelow(const fs::path& root) {
  std::vector<fs::path> sources;
  for (const char* folder : kSourceFolders) {
    if (!fs::is_directory(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& path = entry.path();
      if (path.extension() == ".h" || path.extension() == ".cc") sources.push_back(path);
    }
  }
  std::sort(sources.begin(), sources.end());
  return sources;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

std::vector<std::string> CheckSource(const Layers& layers, const std::string& path,
                                     std::string_view text) {
  return SourceCheck(layers, path, text).Run();
}

absl::StatusOr<TreeReport> CheckTree(const Layers& layers, const fs::path& root) {
  TreeReport report;
  for (const fs::path& path : SourcesBelow(root)) {
    ++report.files;
    const std::string name = path.lexically_relative(root).generic_string();
    for (std::string& violation : CheckSource(layers, name, ReadFile(path))) {
      report.violations.push_back(std::move(violation));
    }
  }
  if (report.files == 0) {
    return MakeStatus(absl::StatusCode::kNotFound,
                      fmt::format("no sources below {}", root.string()));
  }
  return report;
}

}  // namespace penstock::arch
