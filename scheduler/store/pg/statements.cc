#include "scheduler/store/pg/statements.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/status.h"
#include "fmt/format.h"
#include "scheduler/store/pg/migrations.h"
#include "scheduler/store/pg/sql.h"

namespace penstock::pg {
namespace {

constexpr size_t kMaxSchemaBytes = 48;
constexpr std::string_view kPlaceholder = "{schema}";

bool IsPlain(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  const auto plain = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= kMaxSchemaBytes && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), plain);
}

}  // namespace

absl::Status ValidateSchemaName(std::string_view schema) {
  if (IsPlain(schema) && schema != "public" && schema.substr(0, 3) != "pg_") {
    return absl::OkStatus();
  }
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    fmt::format("schema name \"{}\" is not usable: use lower-case letters, digits "
                                "and _, at most {} of them, not \"public\" or pg_*",
                                schema, kMaxSchemaBytes));
}

std::string RenderSql(std::string_view text, std::string_view schema) {
  std::string out;
  out.reserve(text.size() + 256);
  for (;;) {
    const size_t at = text.find(kPlaceholder);
    out.append(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    out.append(fmt::format("\"{}\"", schema));
    text.remove_prefix(at + kPlaceholder.size());
  }
}

Statements::Statements(std::string_view schema) : schema_(schema) {
  for (const auto& [name, text] : sql::kAll) {
    by_constant_[text] = {std::string(name), RenderSql(text, schema)};
  }
  for (const auto& [name, text] : migrations::kAll) {
    migrations_.push_back({std::string(name), RenderSql(text, schema)});
  }
}

const Statement& Statements::Get(std::string_view constant) const {
  const auto it = by_constant_.find(constant);
  PENSTOCK_CHECK(it != by_constant_.end(), "a statement is one of sql::kXxx");
  return it->second;
}

}  // namespace penstock::pg
