#pragma once
// Finds an installed PostgreSQL server.
#include <filesystem>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"

namespace penstock::pgserver {

inline constexpr int kOldestMajor = 13;

struct Binaries {
  std::filesystem::path dir;  // holds postgres, initdb and psql
  int major = 0;              // 15 for "PostgreSQL 15.3"
};

// The number after "(PostgreSQL) " in the output of `postgres --version`; none when there is none.
std::optional<int> ParseMajor(std::string_view version_text);

// Where to look, best first: `pg_config --bindir`, Debian's /usr/lib/postgresql/*/bin with the
// newest first, then every directory of PATH. `dir`, if not empty, is the only place; without it
// the one that the variable PENSTOCK_PG_BIN names.
std::vector<std::filesystem::path> CandidateDirs(const std::filesystem::path& dir);

// The first candidate with a server of version 13 or later, or of exactly `major` when that is
// given (an existing cluster can only be run by its own version). FAILED_PRECONDITION otherwise,
// with one line that names the Debian package to install.
absl::StatusOr<Binaries> FindBinaries(const std::filesystem::path& dir, std::optional<int> major);

}  // namespace penstock::pgserver
