#pragma once
// Glob patterns over '/'-separated relative paths. Pure.
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace penstock::client {

// A pattern split at '/'. "*", "?", "[a-z]" and "[!a-z]" match within one component; "**" alone in
// a component matches any number of directories. A backslash takes the next character literally.
// Names that begin with a dot are matched only by components that do so too.
class Glob {
 public:
  // InvalidArgument: empty, absolute, "." or ".." as a component, an unclosed "[".
  static absl::StatusOr<Glob> Parse(std::string_view pattern);

  const std::string& text() const { return text_; }
  const std::vector<std::string>& components() const { return components_; }

 private:
  std::string text_;
  std::vector<std::string> components_;
};

// "**".
bool IsAnyDepth(std::string_view component);
// Whether `component` holds a wildcard; else Unescape() is the only name that it matches.
bool HasWildcard(std::string_view component);
std::string Unescape(std::string_view component);
// Whether one path component matches. `component` comes from a Glob and is not "**".
bool MatchComponent(std::string_view component, std::string_view name);

}  // namespace penstock::client
