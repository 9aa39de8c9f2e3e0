#include "client/lib/glob.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/lib/errors.h"

namespace penstock::client {
namespace {

// The position behind the class that begins at `open` ('['), or npos when it is not closed. The
// first character after '[' or '[!' belongs to the class even if it is ']'.
size_t ClassEnd(std::string_view pattern, size_t open) {
  size_t at = open + 1;
  if (at < pattern.size() && pattern[at] == '!') ++at;
  const size_t close = pattern.find(']', at + 1);
  return close == std::string_view::npos ? close : close + 1;
}

// `body` is what stands between the brackets.
bool InClass(std::string_view body, char c) {
  const bool negated = body.front() == '!';
  if (negated) body.remove_prefix(1);
  const auto value = [](char x) { return static_cast<unsigned char>(x); };
  bool found = false;
  for (size_t i = 0; i < body.size(); ++i) {
    if (i + 2 < body.size() && body[i + 1] == '-') {
      found = found || (value(body[i]) <= value(c) && value(c) <= value(body[i + 2]));
      i += 2;
    } else {
      found = found || body[i] == c;
    }
  }
  return found != negated;
}

// Matches the token at `*at` against `c` and moves `*at` behind it. Not for '*'.
bool MatchToken(std::string_view pattern, size_t* at, char c) {
  const size_t begin = *at;
  if (pattern[begin] == '[') {
    *at = ClassEnd(pattern, begin);
    return InClass(pattern.substr(begin + 1, *at - begin - 2), c);
  }
  if (pattern[begin] == '\\' && begin + 1 < pattern.size()) {
    *at = begin + 2;
    return pattern[begin + 1] == c;
  }
  *at = begin + 1;
  return pattern[begin] == '?' || pattern[begin] == c;
}

absl::Status CheckComponent(std::string_view component, std::string_view pattern) {
  const auto bad = [&](std::string_view why) {
    return UsageError(fmt::format("files: \"{}\": {}", pattern, why));
  };
  if (component.empty()) return bad("an empty path component");
  if (component == "." || component == "..") {
    return bad("patterns stay below the DAG file's folder: \".\" and \"..\" are not allowed");
  }
  for (size_t i = 0; i < component.size(); ++i) {
    if (component[i] == '\\') {
      ++i;
    } else if (component[i] == '[') {
      i = ClassEnd(component, i);
      if (i == std::string_view::npos) return bad("\"[\" without \"]\"");
      --i;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Glob> Glob::Parse(std::string_view pattern) {
  Glob glob;
  glob.text_ = std::string(pattern);
  std::string_view rest = pattern;
  if (rest.substr(0, 2) == "./") rest.remove_prefix(2);
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  if (rest.empty()) return UsageError(fmt::format("files: \"{}\" names nothing", pattern));
  if (rest.front() == '/') {
    return UsageError(
        fmt::format("files: \"{}\" is absolute; patterns are relative to the DAG file", pattern));
  }
  for (size_t begin = 0; begin <= rest.size();) {
    const size_t end = std::min(rest.find('/', begin), rest.size());
    const std::string_view component = rest.substr(begin, end - begin);
    if (auto status = CheckComponent(component, pattern); !status.ok()) return status;
    glob.components_.emplace_back(component);
    begin = end + 1;
  }
  return glob;
}

bool IsAnyDepth(std::string_view component) { return component == "**"; }

bool HasWildcard(std::string_view component) {
  for (size_t i = 0; i < component.size(); ++i) {
    if (component[i] == '\\') {
      ++i;
    } else if (std::string_view("*?[").find(component[i]) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

std::string Unescape(std::string_view component) {
  std::string name;
  for (size_t i = 0; i < component.size(); ++i) {
    if (component[i] == '\\' && i + 1 < component.size()) ++i;
    name += component[i];
  }
  return name;
}

bool MatchComponent(std::string_view component, std::string_view name) {
  if (!name.empty() && name.front() == '.' && component.front() != '.') return false;
  size_t p = 0;
  size_t n = 0;
  size_t star = std::string_view::npos;  // behind the last '*', where to go back to
  size_t resume = 0;                     // the name's position to try next after that '*'
  while (n < name.size()) {
    if (p < component.size() && component[p] == '*') {
      star = ++p;
      resume = n;
      continue;
    }
    if (p < component.size() && MatchToken(component, &p, name[n])) {
      ++n;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star;
    n = ++resume;
  }
  while (p < component.size() && component[p] == '*') ++p;
  return p == component.size();
}

}  // namespace penstock::client
