#include "scheduler/app/dsn.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "common/base/status.h"
#include "common/base/status_macros.h"

namespace penstock::app {
namespace {

std::string Trimmed(const std::string& text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

absl::StatusOr<std::string> FromFile(std::string_view flag, const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      fmt::format("{}: cannot read {}", flag, path));
  }
  const std::string text = Trimmed({std::istreambuf_iterator<char>(file), {}});
  if (!text.empty()) return text;
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    fmt::format("{}: {} is empty; it must hold a connection string", flag, path));
}

absl::StatusOr<std::string> FromVariable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  const std::string text = value == nullptr ? "" : Trimmed(value);
  if (!text.empty()) return text;
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    fmt::format("--dsn-env: the variable {} is not set", name));
}

}  // namespace

absl::StatusOr<Dsns> ReadDsns(const Config& config) {
  Dsns dsns;
  PENSTOCK_ASSIGN_OR_RETURN(dsns.main, config.dsn_file.empty()
                                           ? FromVariable(config.dsn_variable)
                                           : FromFile("--dsn-file", config.dsn_file));
  if (config.direct_dsn_file.empty()) return dsns;
  PENSTOCK_ASSIGN_OR_RETURN(dsns.direct, FromFile("--direct-dsn-file", config.direct_dsn_file));
  return dsns;
}

}  // namespace penstock::app
