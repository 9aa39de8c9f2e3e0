#include "scheduler/api/validate.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/status.h"
#include "common/dag/scalars.h"
#include "scheduler/api/utf8.h"

namespace penstock::api {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr size_t kMostProblems = 50;

}  // namespace

void Checker::Problem(std::string_view field, std::string_view sentence) {
  problems_.push_back(fmt::format("{}: {}", field, sentence));
}

void Checker::Text(std::string_view field, std::string_view value, size_t max_bytes) {
  if (value.size() > max_bytes) {
    return Problem(field, fmt::format("{} bytes are too many, at most {} are allowed", value.size(),
                                      max_bytes));
  }
  if (!IsCleanText(value)) Problem(field, "must be UTF-8 text without NUL");
}

void Checker::Name(std::string_view field, std::string_view value) {
  if (value.empty()) return Problem(field, "must be given");
  Text(field, value, kMaxNameBytes);
}

void Checker::NewName(std::string_view field, std::string_view value) {
  if (value.empty() || value.size() > kMaxNameBytes || !IsCleanText(value)) {
    return Name(field, value);
  }
  if (!dag::IsId(value)) {
    Problem(field,
            fmt::format("\"{}\" is not a name: begin with a letter or _, go on with letters, "
                        "digits, _ . - and no \"..\"",
                        dag::ShownText(value)));
  }
}

void Checker::Range(std::string_view field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return;
  Problem(field, fmt::format("{} is out of range, expected {} to {}", value, low, high));
}

void Checker::Run(const v1::RunRef& run) {
  if (run.id() != 0 && run.dag().empty() && run.key().empty()) {
    if (run.id() < 0) Problem("run.id", "must be positive");
    return;
  }
  if (run.id() != 0) {
    return Problem("run", "give either the id or the DAG and the key, not both");
  }
  if (run.dag().empty() && run.key().empty()) {
    return Problem("run", "must be given: its id, or its DAG and key");
  }
  Name("run.dag", run.dag());
  if (run.key().empty()) return Problem("run.key", "must be given");
  Text("run.key", run.key(), kMaxKeyBytes);
}

absl::Status Checker::Result() const {
  if (problems_.empty()) return absl::OkStatus();
  std::string text;
  for (size_t i = 0; i < std::min(problems_.size(), kMostProblems); ++i) {
    text += (i == 0 ? "" : "; ") + problems_[i];
  }
  if (problems_.size() > kMostProblems) {
    text += fmt::format("; and {} more problems", problems_.size() - kMostProblems);
  }
  return MakeStatus(absl::StatusCode::kInvalidArgument, text);
}

std::string NamespaceOf(std::string_view given) {
  return given.empty() ? "default" : std::string(given);
}

int PageSize(int32_t given) {
  return given <= 0 ? kDefaultPageSize : std::min(given, kMaxPageSize);
}

bool IsCleanText(std::string_view text) {
  return text.find('\0') == std::string_view::npos && ValidUtf8Prefix(text) == text.size();
}

std::string RepairText(std::string_view text, size_t max_bytes) {
  std::string result;
  while (!text.empty()) {
    const size_t good = std::min(ValidUtf8Prefix(text), text.find('\0'));
    result.append(text.substr(0, good));
    if (good == text.size()) break;
    result.append(kReplacement);
    text.remove_prefix(good + 1);
    if (result.size() > max_bytes + 4) break;
  }
  if (result.size() <= max_bytes) return result;
  result.resize(max_bytes);
  result.resize(ValidUtf8Prefix(result));
  return result;
}

}  // namespace penstock::api
