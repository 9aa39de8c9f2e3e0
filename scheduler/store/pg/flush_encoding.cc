#include "scheduler/store/pg/flush_encoding.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "scheduler/store/pg/arrays.h"

namespace penstock::pg {
namespace {

using core::TaskKey;
using core::TaskState;

// Rows of one section in the order of their keys: pointers, because rows are not small.
template <typename Row, typename KeyOf>
std::vector<const Row*> Sorted(const std::vector<Row>& rows, const KeyOf& key_of) {
  std::vector<const Row*> sorted;
  sorted.reserve(rows.size());
  for (const Row& row : rows) sorted.push_back(&row);
  const auto before = [&](const Row* a, const Row* b) { return key_of(*a) < key_of(*b); };
  if (!std::is_sorted(sorted.begin(), sorted.end(), before)) {
    std::sort(sorted.begin(), sorted.end(), before);
  }
  return sorted;
}

// The last row of each key, at the place where it was last named.
template <typename Row, typename KeyOf>
std::vector<const Row*> Latest(const std::vector<Row>& rows, const KeyOf& key_of) {
  std::map<std::decay_t<decltype(key_of(rows.front()))>, const Row*> last;
  for (const Row& row : rows) last[key_of(row)] = &row;
  std::vector<const Row*> latest;
  for (const Row& row : rows) {
    if (last[key_of(row)] == &row) latest.push_back(&row);
  }
  return latest;
}

template <typename Rows, typename KeyOf>
void AddKey(SectionBuilder& section, const Rows& rows, const KeyOf& key_of) {
  section.Ints(rows, [&](auto* r) { return key_of(*r).run.value(); })
      .Ints(rows, [&](auto* r) { return key_of(*r).task; })
      .Ints(
          rows, [&](auto* r) { return key_of(*r).map; }, -1);
}

// Times, retry, cause, exit, signal, usage: the columns that are null when they are 0.
template <typename Rows, typename RowOf>
void AddEnd(SectionBuilder& section, const Rows& rows, const RowOf& row_of) {
  section
      .Ints(
          rows, [&](auto* r) { return row_of(*r).started_us; }, 0)
      .Ints(
          rows, [&](auto* r) { return row_of(*r).finished_us; }, 0)
      .Ints(
          rows, [&](auto* r) { return row_of(*r).retry_at_us; }, 0)
      .Ints(
          rows, [&](auto* r) { return row_of(*r).cause; }, 0)
      .Ints(
          rows, [&](auto* r) { return row_of(*r).exit_code; }, 0)
      .Ints(
          rows, [&](auto* r) { return row_of(*r).signal; }, 0)
      .Ints(
          rows, [&](auto* r) { return row_of(*r).peak_rss_kib; }, 0)
      .Ints(
          rows, [&](auto* r) { return row_of(*r).cpu_ms; }, 0);
}

// Two numbers in one column; `low` is not negative.
int64_t Pack(int64_t high, int64_t low) { return (high << 32) + low; }
int64_t Place(const TaskKey& key) { return Pack(key.task, int64_t{key.map} + 1); }
constexpr size_t kAlways = 3;  // columns of every section: run, place, attempt and state
int64_t AttemptAndState(int32_t attempt, TaskState state) {
  return int64_t{attempt} * 256 + static_cast<int64_t>(state);
}

std::string Matrix(const std::vector<core::Completion>& all) {
  MatrixBuilder matrix(12, kAlways);
  for (const auto* c : Sorted(all, [](const auto& r) -> const TaskKey& { return r.row.key; })) {
    const core::TaskRow& r = c->row;
    matrix.Add({r.key.run.value(), Place(r.key), AttemptAndState(r.attempt, r.state), r.started_us,
                r.finished_us, Pack(r.tries, r.infra_tries), r.peak_rss_kib, r.cpu_ms,
                r.retry_at_us, static_cast<int64_t>(r.cause), r.exit_code, r.signal});
  }
  return matrix.Finish();
}

std::string Matrix(const std::vector<core::Decision>& all) {
  MatrixBuilder matrix(6, kAlways);
  for (const auto* d : Sorted(all, [](const auto& r) -> const TaskKey& { return r.key; })) {
    matrix.Add({d->key.run.value(), Place(d->key), AttemptAndState(d->attempt, d->state),
                d->finished_us, Pack(d->tries, d->infra_tries), static_cast<int64_t>(d->cause)});
  }
  return matrix.Finish();
}

// Those of new rows first.
std::string Matrix(const std::vector<core::Dispatch>& all) {
  MatrixBuilder matrix(5, kAlways);
  const auto rank = [](const core::Dispatch& d) { return std::pair(!d.fresh, d.key); };
  for (const auto* d : Sorted(all, rank)) {
    matrix.Add({d->key.run.value(), Place(d->key),
                int64_t{d->attempt} * 256 + (d->fresh ? 2 : 0) + (d->leap ? 1 : 0),
                d->session.value(), Pack(d->tries, d->infra_tries)});
  }
  return matrix.Finish();
}

std::string Matrix(const std::vector<core::StartedMark>& all) {
  MatrixBuilder matrix(4, kAlways);
  for (const auto* m : Sorted(all, [](const auto& r) -> const TaskKey& { return r.key; })) {
    matrix.Add({m->key.run.value(), Place(m->key), AttemptAndState(m->attempt, TaskState::kWaiting),
                m->started_us});
  }
  return matrix.Finish();
}

void Encode(const std::vector<core::AttemptRecord>& all, SectionBuilder& section) {
  const auto row_of = [](const core::AttemptRecord& a) -> const core::TaskRow& { return a.row; };
  const auto rows = Sorted(all, [](const auto& a) { return std::pair(a.row.key, a.row.attempt); });
  AddKey(section, rows, [](const auto& a) -> const TaskKey& { return a.row.key; });
  section.Ints(rows, [](auto* a) { return a->row.attempt; })
      .Ints(rows, [](auto* a) { return a->row.state; })
      .Ints(
          rows, [](auto* a) { return a->row.tries; }, 0)
      .Ints(
          rows, [](auto* a) { return a->row.infra_tries; }, 0)
      .Ints(
          rows, [](auto* a) { return a->row.session.value(); }, 0);
  AddEnd(section, rows, row_of);
  section.Bools(rows, [](auto* a) { return a->charged; })
      .OptionalTexts(rows, [](auto* a) -> std::string_view { return a->error; });
}

void Encode(const std::vector<core::TaskOutput>& all, SectionBuilder& section) {
  const auto rows = Sorted(all, [](const auto& o) { return std::pair(o.key, o.attempt); });
  AddKey(section, rows, [](const core::TaskOutput& o) -> const TaskKey& { return o.key; });
  section.Ints(rows, [](auto* o) { return o->attempt; })
      .OptionalTexts(rows, [](auto* o) -> std::string_view { return o->output_json; })
      .OptionalTexts(rows, [](auto* o) -> std::string_view { return o->error; });
}

void Encode(const std::vector<core::RunRow>& all, SectionBuilder& section) {
  const auto rows = Sorted(all, [](const auto& r) { return r.id; });
  section.Ints(rows, [](auto* r) { return r->id.value(); })
      .Ints(rows, [](auto* r) { return r->dag.value(); })
      .Ints(rows, [](auto* r) { return r->version.value(); })
      .Texts(rows, [](auto* r) -> std::string_view { return r->key; })
      .OptionalTexts(rows, [](auto* r) -> std::string_view { return r->idempotency_key; })
      .Ints(
          rows, [](auto* r) { return r->logical_date_us; }, 0)
      .OptionalTexts(rows, [](auto* r) -> std::string_view { return r->params_json; })
      .OptionalTexts(rows, [](auto* r) -> std::string_view { return r->note; })
      .Ints(
          rows, [](auto* r) { return r->state; }, 0)
      .Ints(
          rows, [](auto* r) { return r->intent; }, 0)
      .OptionalTexts(rows, [](auto* r) -> std::string_view { return r->reason; })
      .Bools(rows, [](auto* r) { return r->quarantined; })
      .Ints(
          rows, [](auto* r) { return r->created_us; }, 0)
      .Ints(
          rows, [](auto* r) { return r->started_us; }, 0)
      .Ints(
          rows, [](auto* r) { return r->finished_us; }, 0);
}

void Encode(const std::vector<core::RunUpdate>& all, SectionBuilder& section) {
  const auto rows = Sorted(all, [](const auto& r) { return r.run; });
  section.Ints(rows, [](auto* r) { return r->run.value(); })
      .Ints(
          rows, [](auto* r) { return r->state; }, 0)
      .Ints(
          rows, [](auto* r) { return r->intent; }, 0)
      .OptionalTexts(rows, [](auto* r) -> std::string_view { return r->reason; })
      .Bools(rows, [](auto* r) { return r->quarantined; })
      .Ints(
          rows, [](auto* r) { return r->started_us; }, 0)
      .Ints(
          rows, [](auto* r) { return r->finished_us; }, 0)
      .Bools(rows, [](auto* r) { return r->by_user; });
}

// In the order given: a name that one update frees may be taken by the next.
void Encode(const std::vector<core::DagUpdate>& all, SectionBuilder& section) {
  const auto rows = Latest(all, [](const auto& u) { return u.dag.id; });
  section.Ints(rows, [](auto* u) { return u->dag.id.value(); })
      .Ints(rows, [](auto* u) { return u->dag.ns.value(); })
      .Texts(rows, [](auto* u) -> std::string_view { return u->dag.name; })
      .Bools(rows, [](auto* u) { return u->dag.paused; })
      .Ints(
          rows, [](auto* u) { return u->dag.version.value(); }, 0)
      .Ints(
          rows, [](auto* u) { return u->dag.max_active_runs; }, 0)
      .Bools(rows, [](auto* u) { return u->deleted; });
}

void Encode(const std::vector<core::PoolUpdate>& all, SectionBuilder& section) {
  const auto rows = Latest(all, [](const auto& u) -> std::string_view { return u.pool.name; });
  section.Texts(rows, [](auto* u) -> std::string_view { return u->pool.name; })
      .Ints(
          rows, [](auto* u) { return u->pool.slots; }, 0)
      .OptionalTexts(rows, [](auto* u) -> std::string_view { return u->pool.description; })
      .Bools(rows, [](auto* u) { return u->deleted; });
}

// Literal of a text[] with the keys or values of a map.
template <typename Map, typename Get>
std::string MapArray(const Map& map, const Get& get) {
  std::vector<std::string> values;
  for (const auto& entry : map) values.push_back(get(entry));
  return TextArray(values);
}

void Encode(const std::vector<core::SessionInfo>& all, SectionBuilder& section) {
  auto rows = Latest(all, [](const auto& s) { return s.id; });
  std::sort(rows.begin(), rows.end(), [](auto* a, auto* b) { return a->id < b->id; });
  const auto first = [](const auto& entry) { return entry.first; };
  section.Ints(rows, [](auto* s) { return s->id.value(); })
      .OptionalTexts(rows, [](auto* s) -> std::string_view { return s->name; })
      .OptionalTexts(rows, [](auto* s) -> std::string_view { return s->group; })
      .Texts(rows, [](auto* s) { return TextArray(s->queues); })
      .Texts(rows, [&](auto* s) { return MapArray(s->labels, first); })
      .Texts(rows,
             [](auto* s) {
               return MapArray(s->labels, [](const auto& entry) { return entry.second; });
             })
      .Ints(
          rows, [](auto* s) { return s->cpu_millis; }, 0)
      .Ints(
          rows, [](auto* s) { return s->memory_bytes; }, 0)
      .Texts(rows, [&](auto* s) { return MapArray(s->custom_resources, first); })
      .Texts(rows,
             [](auto* s) {
               return MapArray(s->custom_resources,
                               [](const auto& entry) { return std::to_string(entry.second); });
             })
      .Ints(
          rows, [](auto* s) { return s->slots; }, 0)
      .Ints(
          rows, [](auto* s) { return s->started_us; }, 0)
      .OptionalTexts(rows, [](auto* s) -> std::string_view { return s->version; });
}

void Encode(const std::vector<core::AuditRecord>& all, SectionBuilder& section) {
  section
      .Ints(
          all, [](const auto& a) { return a.at_us; }, 0)
      .Texts(all, [](const auto& a) -> std::string_view { return a.action; })
      .OptionalTexts(all, [](const auto& a) -> std::string_view { return a.subject; })
      .OptionalTexts(all, [](const auto& a) -> std::string_view { return a.actor; });
}

template <typename Row>
absl::Status AddSection(std::string_view what, const std::vector<Row>& rows, BinaryParams* params) {
  if (rows.empty()) {
    params->Array(EmptyBinaryTextArray());
    return absl::OkStatus();
  }
  SectionBuilder section;
  Encode(rows, section);
  auto array = section.Finish();
  if (!array.ok()) return Annotate(array.status(), what);
  params->Array(*std::move(array));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BinaryParams> EncodeFlush(DomainId domain, Epoch epoch, FlushSeq seq,
                                         const core::FlushBatch& batch) {
  BinaryParams params;
  params.Int4(domain.value()).Int8(epoch.value()).Int8(seq.value()).Bool(batch.made_progress);
  PENSTOCK_RETURN_IF_ERROR(AddSection("sessions", batch.sessions, &params));
  PENSTOCK_RETURN_IF_ERROR(AddSection("new runs", batch.new_runs, &params));
  PENSTOCK_RETURN_IF_ERROR(AddSection("dags", batch.dags, &params));
  PENSTOCK_RETURN_IF_ERROR(AddSection("pools", batch.pools, &params));
  params.Array(Matrix(batch.completions)).Array(Matrix(batch.decisions));
  params.Array(Matrix(batch.dispatches)).Array(Matrix(batch.started));
  PENSTOCK_RETURN_IF_ERROR(AddSection("attempts", batch.attempts, &params));
  PENSTOCK_RETURN_IF_ERROR(AddSection("outputs", batch.outputs, &params));
  PENSTOCK_RETURN_IF_ERROR(AddSection("run updates", batch.run_updates, &params));
  PENSTOCK_RETURN_IF_ERROR(AddSection("audit", batch.audit, &params));
  params.Array(BinaryIntArray(batch.inbox_done));
  return params;
}

std::string EncodeDispatches(const std::vector<core::Dispatch>& dispatches) {
  return Matrix(dispatches);
}

}  // namespace penstock::pg
