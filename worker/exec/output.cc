#include "worker/exec/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"

namespace penstock::worker::exec {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kBlanks = " \t\r\n";

absl::Status Invalid(std::string_view what) {
  return MakeStatus(absl::StatusCode::kInvalidArgument, fmt::format("$PENSTOCK_OUTPUT {}", what));
}

// Well-formed JSON within the depth limit, judged before anything recursive sees it.
std::optional<Json> ParseJson(std::string_view text) {
  bool too_deep = false;
  const auto watch = [&too_deep](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxOutputDepth) too_deep = true;
    return !too_deep;
  };
  Json value = Json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  if (too_deep || value.is_discarded()) return std::nullopt;
  return value;
}

bool IsFinite(const Json& value) {
  return !value.is_number_float() || std::isfinite(value.get<double>());
}

// A number only if its text comes back; containers only if their brackets say so.
Json ValueOf(std::string_view text) {
  std::optional<Json> value = ParseJson(text);
  if (!value || !IsFinite(*value)) return Json(std::string(text));
  if (value->is_number() && value->dump() != text) return Json(std::string(text));
  return *std::move(value);
}

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool IsKeyCharacter(char c) {
  return IsLetter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

bool IsKey(std::string_view key) {
  return !key.empty() && IsLetter(key[0]) && std::all_of(key.begin(), key.end(), IsKeyCharacter);
}

absl::StatusOr<std::string> ParseObject(std::string_view text) {
  const std::optional<Json> value = ParseJson(text);
  if (!value || !value->is_object()) {
    return Invalid(
        fmt::format("begins with '{{' but is not one well-formed JSON object of at most "
                    "{} levels",
                    kMaxOutputDepth));
  }
  return value->dump();
}

absl::Status ParseLine(std::string_view line, int number, Json* object) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.find_first_not_of(kBlanks) == std::string_view::npos) return absl::OkStatus();
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos || !IsKey(line.substr(0, equals))) {
    return Invalid(fmt::format("line {}: expected key=value", number));
  }
  (*object)[std::string(line.substr(0, equals))] = ValueOf(line.substr(equals + 1));
  return absl::OkStatus();
}

absl::StatusOr<std::string> ParseLines(std::string_view text) {
  Json object = Json::object();
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    PENSTOCK_RETURN_IF_ERROR(ParseLine(text.substr(0, end), number, &object));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return object.dump();
}

// Length of the well-formed sequence at the front; 0 = none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool surrogate = first == 0xed && byte(1) >= 0xa0;
  const bool too_large = first == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

int LineOf(std::string_view text, size_t at) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<long>(at), '\n'));
}

// Where the first malformed sequence begins; npos = nowhere.
size_t FirstMalformed(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = SequenceLength(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

}  // namespace

bool IsUtf8(std::string_view text) { return FirstMalformed(text) == std::string_view::npos; }

absl::StatusOr<std::string> ParseOutput(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return Invalid(fmt::format("is larger than {} bytes", max_bytes));
  }
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return Invalid(fmt::format("line {}: has a NUL byte", LineOf(text, nul)));
  }
  if (const size_t bad = FirstMalformed(text); bad != std::string_view::npos) {
    return Invalid(fmt::format("line {}: is not UTF-8", LineOf(text, bad)));
  }
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return std::string();
  return text[begin] == '{' ? ParseObject(text) : ParseLines(text);
}

}  // namespace penstock::worker::exec
