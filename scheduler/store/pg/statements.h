#pragma once
// The SQL of sql/*.sql and migrations/*.sql with the schema's name put in.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace penstock::pg {

struct Statement {
  std::string name;  // of its file: the metric label and the name it is prepared under
  std::string text;
};

// OK when `schema` can stand in SQL without surprises: [a-z_][a-z0-9_]*, at most 48 bytes, not
// "public" and not pg_*. INVALID_ARGUMENT otherwise.
absl::Status ValidateSchemaName(std::string_view schema);

// `text` with every {schema} replaced by the quoted name.
std::string RenderSql(std::string_view text, std::string_view schema);

// Immutable, hence thread-safe.
class Statements {
 public:
  // `schema` is valid.
  explicit Statements(std::string_view schema);
  // `constant` is one of sql::kXxx.
  const Statement& Get(std::string_view constant) const;
  const std::vector<Statement>& migrations() const { return migrations_; }  // in order
  const std::string& schema() const { return schema_; }

 private:
  const std::string schema_;
  std::map<std::string_view, Statement> by_constant_;  // by its text
  std::vector<Statement> migrations_;
};

}  // namespace penstock::pg
