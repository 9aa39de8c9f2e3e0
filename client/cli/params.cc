#include "client/cli/params.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "client/cli/files.h"
#include "client/cli/text.h"
#include "client/lib/errors.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMaxParamsBytes = 1 << 20;

absl::StatusOr<Json> ParseObject(const std::string& text, const std::string& where) {
  Json object = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (object.is_object()) return object;
  return UsageError(fmt::format("--params: {} is not a JSON object", where));
}

absl::StatusOr<Json> Load(const std::string& source, std::istream& in) {
  if (source.empty()) return Json::object();
  if (source.front() == '{') return ParseObject(source, "the text");
  PENSTOCK_ASSIGN_OR_RETURN(const std::string text, ReadInput(source, kMaxParamsBytes, in));
  return ParseObject(text, source == "-" ? "standard input" : source);
}

Json ToValue(const std::string& text) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? Json(text) : value;
}

}  // namespace

absl::StatusOr<std::string> BuildParams(const std::string& source,
                                        const std::vector<std::string>& pairs, std::istream& in) {
  PENSTOCK_ASSIGN_OR_RETURN(Json params, Load(source, in));
  for (const std::string& pair : pairs) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return UsageError(fmt::format("--param: \"{}\" is not NAME=VALUE", Printable(pair)));
    }
    params[pair.substr(0, equals)] = ToValue(pair.substr(equals + 1));
  }
  return params.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<absl::Time> ParseLogicalDate(std::string_view text) {
  const std::string copy(text);
  absl::Time time;
  std::string error;
  for (const char* format : {"%Y-%m-%dT%H:%M:%E*S%Ez", "%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%d"}) {
    if (absl::ParseTime(format, copy, &time, &error)) return time;
  }
  return UsageError(
      fmt::format("--logical-date: \"{}\" is not a date (2026-01-02 or 2026-01-02T03:04:05Z)",
                  Printable(text)));
}

}  // namespace penstock::client
