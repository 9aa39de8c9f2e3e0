// Namespaces, versions, bundles, DAGs, pools, inbox. Runs and tasks: catalog_runs.cc.
#include "scheduler/store/pg/catalog.h"

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "scheduler/store/pg/rows.h"
#include "scheduler/store/pg/sql.h"
#include "scheduler/store/pg/transaction.h"

namespace penstock::pg {
namespace {

absl::Status NotFound(std::string_view what, std::string_view name) {
  return MakeStatus(absl::StatusCode::kNotFound,
                    fmt::format("{} \"{}\" does not exist", what, name));
}

constexpr char kHexDigits[] = "0123456789abcdef";

std::string ToHex(std::string_view bytes) {
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    hex.push_back(kHexDigits[byte >> 4U]);
    hex.push_back(kHexDigits[byte & 15U]);
  }
  return hex;
}

uint8_t HexValue(char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

// `hex` as PostgreSQL's encode() writes it.
std::string FromHex(std::string_view hex) {
  std::string bytes;
  bytes.reserve(hex.size() / 2);
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(HexValue(hex[i]) << 4U | HexValue(hex[i + 1])));
  }
  return bytes;
}

// A statement that moves megabytes and may take its time.
absl::StatusOr<pqxx::result> RunLong(Database& database, std::string_view constant,
                                     const Params& params) {
  const Options& options = database.options();
  return InTransaction<pqxx::result>(
      database, {options.load_bound, options.lock_timeout},
      [&](Transaction& transaction) { return transaction.Query(constant, params); });
}

absl::StatusOr<DomainId> ChooseDomain(Transaction& transaction,
                                      const std::optional<std::string>& share_with) {
  if (!share_with.has_value()) {
    PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows, transaction.Query(sql::kCreateDomain, {}));
    return DomainId(static_cast<int32_t>(IntAt(rows[0], 0)));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            transaction.Query(sql::kFindNamespace, Params().Text(*share_with)));
  if (rows.empty()) return NotFound("namespace", *share_with);
  return NamespaceAt(rows[0]).domain;
}

}  // namespace

absl::StatusOr<std::vector<store::NamespaceRecord>> PgCatalog::ListNamespaces() {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            RunStatement(database_, sql::kListNamespaces, {}));
  std::vector<store::NamespaceRecord> records;
  for (const pqxx::row& row : rows) records.push_back(NamespaceAt(row));
  return records;
}

absl::StatusOr<store::NamespaceRecord> PgCatalog::FindNamespace(std::string_view name) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            RunStatement(database_, sql::kFindNamespace, Params().Text(name)));
  if (rows.empty()) return NotFound("namespace", name);
  return NamespaceAt(rows[0]);
}

absl::StatusOr<store::NamespaceRecord> PgCatalog::CreateNamespace(
    std::string_view name, std::optional<std::string> share_domain_with, int32_t weight) {
  const Options& options = database_.options();
  const TransactionLimits limits{options.bound, options.lock_timeout};
  const auto body = [&](Transaction& t) -> absl::StatusOr<store::NamespaceRecord> {
    PENSTOCK_ASSIGN_OR_RETURN(const DomainId domain, ChooseDomain(t, share_domain_with));
    PENSTOCK_ASSIGN_OR_RETURN(
        const pqxx::result rows,
        t.Query(sql::kCreateNamespace, Params().Text(name).Int(domain.value()).Int(weight)));
    if (!rows.empty()) return NamespaceAt(rows[0]);
    return MakeStatus(absl::StatusCode::kAlreadyExists,
                      fmt::format("namespace \"{}\" exists already", name));
  };
  return InTransaction<store::NamespaceRecord>(database_, limits, body);
}

absl::StatusOr<store::VersionRecord> PgCatalog::PutVersion(NamespaceId ns, std::string_view dag,
                                                           std::string_view hash,
                                                           std::string_view canonical_json,
                                                           std::string_view bundle_hash,
                                                           int32_t task_count) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows, RunStatement(database_, sql::kPutVersion,
                                                                  Params()
                                                                      .Int(ns.value())
                                                                      .Text(dag)
                                                                      .Text(hash)
                                                                      .Text(canonical_json)
                                                                      .Text(bundle_hash)
                                                                      .Int(task_count)));
  if (rows.empty()) return NotFound("namespace", std::to_string(ns.value()));
  return VersionAt(rows[0]);
}

absl::StatusOr<store::VersionRecord> PgCatalog::GetVersion(VersionId id) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            RunLong(database_, sql::kGetVersion, Params().Int(id.value())));
  if (rows.empty()) return NotFound("version", std::to_string(id.value()));
  return VersionAt(rows[0]);
}

absl::Status PgCatalog::PutBundle(std::string_view hash, std::string_view bytes) {
  return RunLong(database_, sql::kPutBundle, Params().Text(hash).Raw(ToHex(bytes))).status();
}

absl::StatusOr<std::string> PgCatalog::GetBundle(std::string_view hash) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            RunLong(database_, sql::kGetBundle, Params().Text(hash)));
  if (rows.empty()) return NotFound("bundle", hash);
  return FromHex({rows[0][0].c_str(), rows[0][0].size()});
}

absl::StatusOr<store::DagRecord> PgCatalog::FindDag(NamespaceId ns, std::string_view name) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      RunStatement(database_, sql::kFindDag, Params().Int(ns.value()).Text(name)));
  if (rows.empty()) return NotFound("DAG", name);
  return DagRecordAt(rows[0]);
}

absl::StatusOr<std::vector<store::DagRecord>> PgCatalog::ListDags(NamespaceId ns,
                                                                  std::string_view prefix,
                                                                  std::string_view after,
                                                                  int limit) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      RunStatement(database_, sql::kListDags,
                   Params().Int(ns.value()).Text(prefix).Text(after).Int(limit)));
  std::vector<store::DagRecord> records;
  for (const pqxx::row& row : rows) records.push_back(DagRecordAt(row));
  return records;
}

absl::StatusOr<DagId> PgCatalog::NewDagId() {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows, RunStatement(database_, sql::kNewDagId, {}));
  return DagId(IntAt(rows[0], 0));
}

absl::StatusOr<std::vector<core::PoolRow>> PgCatalog::ListPools(DomainId domain) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            RunStatement(database_, sql::kLoadPools, Params().Int(domain.value())));
  std::vector<core::PoolRow> pools;
  for (const pqxx::row& row : rows) pools.push_back(PoolAt(row));
  return pools;
}

absl::StatusOr<std::vector<store::InboxRow>> PgCatalog::ReadInbox(DomainId domain, int limit) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      RunStatement(database_, sql::kReadInbox, Params().Int(domain.value()).Int(limit)));
  std::vector<store::InboxRow> inbox;
  for (const pqxx::row& row : rows) {
    inbox.push_back({IntAt(row, 0), TextAt(row, 1), TextAt(row, 2)});
  }
  return inbox;
}

}  // namespace penstock::pg
