#include "scheduler/api/tasks.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "common/base/status_macros.h"
#include "scheduler/api/convert.h"
#include "scheduler/api/cursor.h"
#include "scheduler/api/task_rows.h"
#include "scheduler/api/validate.h"

namespace penstock::api {
namespace {

// Task indices looked at in one step: a domain's turn answers for so many in well under a
// millisecond.
constexpr int32_t kChunk = 1000;

void CheckInstance(const std::string& ns, const v1::RunRef& run, const std::string& task,
                   int32_t map, Checker* check) {
  check->Text("namespace", ns, kMaxNameBytes);
  check->Run(run);
  check->Name("task", task);
  check->Range("map_index", map, -1, INT32_MAX);
}

// A client that leaves map_index out says 0; no task of this version is mapped.
int32_t MapIndex(int32_t given) { return given <= 0 ? -1 : given; }

void SetExplanation(const core::Explanation& explanation, v1::Explanation* out) {
  out->set_code(std::string(core::ToString(explanation.reason)));
  out->set_reason(explanation.sentence);
  out->set_hint(explanation.hint);
}

}  // namespace

absl::StatusOr<TaskHandlers::Subject> TaskHandlers::Find(const std::string& ns,
                                                         const v1::RunRef& run) {
  Subject subject;
  PENSTOCK_ASSIGN_OR_RETURN(subject.ns, s_.namespaces.Find(NamespaceOf(ns)));
  PENSTOCK_ASSIGN_OR_RETURN(subject.run, FindRun(s_.catalog, subject.ns, run));
  PENSTOCK_ASSIGN_OR_RETURN(subject.version, s_.versions.Get(subject.run.row.version));
  return subject;
}

template <typename Request, typename Response>
void TaskHandlers::Route(const Caller& caller, const char* method, const Request& request,
                         Response* response, std::function<void(const Done&)> read,
                         const Subject& subject, const Done& done) {
  if (!subject.live()) return read(done);
  s_.router.Run(caller,
                MakeOwnerCall(subject.ns.domain, method, request, response,
                              [read = std::move(read)](const engine::Place&, const Done& then) {
                                read(then);
                              }),
                done);
}

// ---- List ----

struct TaskHandlers::Listing {
  Subject subject;
  std::vector<core::TaskState> states;  // empty = all
  size_t page = 0;
  int32_t first = 0;  // begin of the listing; a retry starts here again
  int32_t next = 0;   // first task index not looked at
  v1::ListTaskInstancesResponse* response = nullptr;
  Done done;
};

void TaskHandlers::List(const Caller& caller, const v1::ListTaskInstancesRequest& request,
                        v1::ListTaskInstancesResponse* response, Done done) {
  auto listing = std::make_shared<Listing>();
  Checker check;
  check.Text("namespace", request.namespace_(), kMaxNameBytes);
  check.Run(request.run());
  for (int state : request.states()) {
    const auto known = FromProto(static_cast<v1::TaskState>(state));
    if (known.has_value()) listing->states.push_back(*known);
    if (!known.has_value()) check.Problem("states", "names a state that does not exist");
  }
  if (!check.ok()) return done(check.Result());
  const auto first = ReadNumberCursor("tasks", request.cursor());
  if (!first.ok()) return done(first.status());
  auto subject = Find(request.namespace_(), request.run());
  if (!subject.ok()) return done(subject.status());
  listing->subject = *std::move(subject);
  listing->page = static_cast<size_t>(PageSize(request.page_size()));
  listing->first = static_cast<int32_t>(std::min<int64_t>(*first, INT32_MAX));
  listing->response = response;
  const auto read = [this, listing](const Done& then) {
    auto fresh = std::make_shared<Listing>(*listing);
    fresh->next = fresh->first;
    fresh->done = then;
    NextChunk(fresh);
  };
  Route(caller, "ListTaskInstances", request, response, read, listing->subject, done);
}

void TaskHandlers::NextChunk(const ListingPtr& listing) {
  const Subject& subject = listing->subject;
  const auto count = static_cast<int32_t>(subject.version->topology->task_count());
  if (listing->next >= count) return listing->done(absl::OkStatus());
  const int32_t end = std::min(count, listing->next + kChunk);
  if (!subject.live()) return AddChunk(listing, end, {});
  std::vector<core::TaskKey> keys;
  for (int32_t i = listing->next; i < end; ++i) keys.push_back({subject.run.row.id, i, -1});
  s_.views.Tasks(subject.ns.domain, std::move(keys),
                 [this, listing,
                  end](const absl::StatusOr<std::vector<std::optional<core::TaskView>>>& views) {
                   if (!views.ok()) return listing->done(views.status());
                   AddChunk(listing, end, *views);
                 });
}

void TaskHandlers::AddChunk(const ListingPtr& listing, int32_t end,
                            const std::vector<std::optional<core::TaskView>>& views) {
  const absl::StatusOr<bool> more = TryAddChunk(*listing, end, views);
  if (!more.ok() || !*more) return listing->done(more.status());
  // Through the executor, so that a long list neither nests deeply nor keeps a thread.
  HandOver(s_.answers, [this, listing] { NextChunk(listing); });
}

absl::StatusOr<bool> TaskHandlers::TryAddChunk(
    Listing& listing, int32_t end, const std::vector<std::optional<core::TaskView>>& views) {
  const core::RunRow& run = listing.subject.run.row;
  const int32_t begin = listing.next;
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto rows,
      s_.catalog.ListTasks(run.id, std::make_pair(begin - 1, INT32_MAX), end - begin));
  std::vector<std::optional<store::TaskRecord>> by_task(static_cast<size_t>(end - begin));
  for (const store::TaskRecord& row : rows) {
    if (row.row.key.task < end) by_task[static_cast<size_t>(row.row.key.task - begin)] = row;
  }
  for (; listing.next < end; ++listing.next) {
    const auto at = static_cast<size_t>(listing.next - begin);
    const core::TaskKey key{run.id, listing.next, -1};
    const store::TaskRecord task =
        Merge(key, by_task[at], at < views.size() ? views[at] : std::nullopt);
    const bool wanted = listing.states.empty() ||
                        std::find(listing.states.begin(), listing.states.end(), task.row.state) !=
                            listing.states.end();
    if (!wanted) continue;
    if (static_cast<size_t>(listing.response->instances_size()) == listing.page) {
      listing.response->set_next_cursor(MakeCursor("tasks", std::to_string(listing.next)));
      return false;
    }
    const auto index = static_cast<uint32_t>(listing.next);
    *listing.response->add_instances() =
        ToProto(task, listing.subject.version->topology->spec(index).id);
  }
  return true;
}

// ---- One instance ----

absl::StatusOr<TaskHandlers::Keyed> TaskHandlers::FindInstance(const std::string& ns,
                                                               const v1::RunRef& run,
                                                               const std::string& task,
                                                               int32_t map) {
  Checker check;
  CheckInstance(ns, run, task, map, &check);
  PENSTOCK_RETURN_IF_ERROR(check.Result());
  PENSTOCK_ASSIGN_OR_RETURN(Subject subject, Find(ns, run));
  PENSTOCK_ASSIGN_OR_RETURN(const int32_t index, FindTask(*subject.version->topology, task));
  const core::TaskKey key{subject.run.row.id, index, MapIndex(map)};
  return Keyed(std::move(subject), key);
}

void TaskHandlers::Get(const Caller& caller, const v1::GetTaskInstanceRequest& request,
                       v1::TaskInstance* response, Done done) {
  const auto keyed =
      FindInstance(request.namespace_(), request.run(), request.task(), request.map_index());
  if (!keyed.ok()) return done(keyed.status());
  Route(
      caller, "GetTaskInstance", request, response,
      [this, keyed = *keyed, response](const Done& then) { ReadInstance(keyed, response, then); },
      keyed->first, done);
}

void TaskHandlers::ReadInstance(const Keyed& keyed, v1::TaskInstance* response, const Done& done) {
  if (!keyed.first.live()) return done(FillInstance(keyed, std::nullopt, response));
  s_.views.Tasks(keyed.first.ns.domain, {keyed.second},
                 [this, keyed, response,
                  done](const absl::StatusOr<std::vector<std::optional<core::TaskView>>>& views) {
                   if (!views.ok()) return done(views.status());
                   done(FillInstance(keyed, views->at(0), response));
                 });
}

absl::Status TaskHandlers::FillInstance(const Keyed& keyed,
                                        const std::optional<core::TaskView>& view,
                                        v1::TaskInstance* response) {
  const auto& [subject, key] = keyed;
  PENSTOCK_ASSIGN_OR_RETURN(const auto row, s_.catalog.GetTask(key));
  const store::TaskRecord task = Merge(key, row, view);
  *response = ToProto(task, subject.version->topology->spec(static_cast<uint32_t>(key.task)).id);
  return AddHistory(key, response);
}

absl::Status TaskHandlers::AddHistory(const core::TaskKey& key, v1::TaskInstance* response) {
  if (response->state() == v1::TASK_STATE_SUCCESS) {
    PENSTOCK_ASSIGN_OR_RETURN(*response->mutable_output_json(), s_.catalog.GetOutput(key));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const auto attempts, s_.catalog.ListAttempts(key));
  for (const store::AttemptView& attempt : attempts) {
    if (attempt.row.attempt == response->attempt()) continue;
    *response->add_earlier() = ToProto(attempt);
  }
  return absl::OkStatus();
}

void TaskHandlers::Explain(const Caller& caller, const v1::ExplainTaskInstanceRequest& request,
                           v1::Explanation* response, Done done) {
  const auto keyed =
      FindInstance(request.namespace_(), request.run(), request.task(), request.map_index());
  if (!keyed.ok()) return done(keyed.status());
  Route(
      caller, "ExplainTaskInstance", request, response,
      [this, keyed = *keyed, response](const Done& then) { ExplainHere(keyed, response, then); },
      keyed->first, done);
}

void TaskHandlers::ExplainHere(const Keyed& keyed, v1::Explanation* response, const Done& done) {
  if (!keyed.first.live()) return done(ExplainEnded(keyed, response));
  s_.views.Explain(keyed.first.ns.domain, keyed.second,
                   [this, keyed, response,
                    done](const absl::StatusOr<std::optional<core::Explanation>>& explanation) {
                     if (!explanation.ok()) return done(explanation.status());
                     if (!explanation->has_value()) return done(ExplainEnded(keyed, response));
                     const auto seen = Complete(keyed, **explanation);
                     if (!seen.ok()) return done(seen.status());
                     SetExplanation(*seen, response);
                     const core::TaskView view{seen->state, seen->attempt, SessionId()};
                     done(FillInstance(keyed, view, response->mutable_instance()));
                   });
}

absl::StatusOr<core::Explanation> TaskHandlers::Complete(const Keyed& keyed,
                                                         const core::Explanation& seen) {
  const bool retry = seen.reason == core::Reason::kRetryAt;
  if (!retry && !core::IsTerminal(seen.state)) return seen;
  PENSTOCK_ASSIGN_OR_RETURN(const auto row, s_.catalog.GetTask(keyed.second));
  if (!row.has_value() || row->row.state != seen.state || row->row.attempt != seen.attempt) {
    return seen;  // the two were not looked at in the same moment
  }
  if (!retry) return FromRow(keyed, *row, keyed.first.run.row.state);
  core::Explanation explanation = seen;
  explanation.sentence = DescribeRetry(*row);
  return explanation;
}

absl::StatusOr<core::Explanation> TaskHandlers::FromRow(const Keyed& keyed,
                                                        const store::TaskRecord& task,
                                                        core::RunState run) {
  std::vector<store::TaskRecord> decisive;
  if (EndedByRule(task)) {
    PENSTOCK_ASSIGN_OR_RETURN(decisive, Decisive(keyed, task));
  }
  return ExplainRow(task, run, *keyed.first.version->topology, decisive);
}

absl::StatusOr<std::vector<store::TaskRecord>> TaskHandlers::Decisive(
    const Keyed& keyed, const store::TaskRecord& task) {
  constexpr size_t kNamed = 5;
  constexpr int kRead = 1000;
  const dag::Topology& topology = *keyed.first.version->topology;
  const auto index = static_cast<uint32_t>(keyed.second.task);
  const auto needs = topology.upstream(index);
  const absl::flat_hash_set<uint32_t> upstream(needs.begin(), needs.end());
  std::vector<store::TaskRecord> found;
  if (upstream.empty()) return found;
  const auto last = static_cast<int32_t>(*std::max_element(upstream.begin(), upstream.end()));
  auto at = static_cast<int32_t>(*std::min_element(upstream.begin(), upstream.end())) - 1;
  while (at < last && found.size() < kNamed) {
    PENSTOCK_ASSIGN_OR_RETURN(
        const auto rows,
        s_.catalog.ListTasks(keyed.second.run, std::make_pair(at, INT32_MAX), kRead));
    if (rows.empty()) break;
    at = rows.back().row.key.task;
    for (const store::TaskRecord& row : rows) {
      if (!upstream.contains(static_cast<uint32_t>(row.row.key.task))) continue;
      if (!Decides(topology.trigger_rule(index), task.row.state, row.row.state)) continue;
      if (found.size() < kNamed) found.push_back(row);
    }
  }
  return found;
}

absl::Status TaskHandlers::ExplainEnded(const Keyed& keyed, v1::Explanation* response) {
  PENSTOCK_ASSIGN_OR_RETURN(const store::RunRecord run, s_.catalog.GetRun(keyed.second.run));
  PENSTOCK_ASSIGN_OR_RETURN(const auto row, s_.catalog.GetTask(keyed.second));
  PENSTOCK_ASSIGN_OR_RETURN(const core::Explanation explanation,
                            FromRow(keyed, row.value_or(WaitingTask(keyed.second)), run.row.state));
  SetExplanation(explanation, response);
  return FillInstance(keyed, std::nullopt, response->mutable_instance());
}

}  // namespace penstock::api
