#include "scheduler/core/admission.h"

#include <algorithm>
#include <functional>
#include <tuple>

#include "common/base/check.h"
#include "fmt/format.h"

namespace penstock::core {
namespace {

// Two settings with equal keys are the same demand.
std::string KeyOf(const dag::TaskSettings& s) {
  std::string key = fmt::format("{}\x1f{}\x1f{}\x1f{}\x1f{}", s.queue, s.pool, s.pool_slots,
                                s.resources.cpu_millis, s.resources.memory_bytes);
  for (const auto& [name, amount] : s.resources.custom) {
    key += fmt::format("\x1f{}\x1e{}", name, amount);
  }
  for (const auto& [name, value] : s.labels) key += fmt::format("\x1f{}\x1d{}", name, value);
  return key;
}

DagQueue& DagOf(NamespaceQueue& queue, DagId id) {
  std::unique_ptr<DagQueue>& dag = queue.dags[id];
  if (dag == nullptr) dag = std::make_unique<DagQueue>(DagQueue{id, 0, {}, 0, 0, 0});
  return *dag;
}

// Changes what a DAG's place in the order depends on.
template <typename Change>
void Reorder(NamespaceQueue& queue, DagQueue& dag, const Change& change) {
  const bool stays = !dag.order.empty() && queue.order.size() == 1;  // nobody to change places with
  if (!dag.order.empty() && !stays) queue.order.erase(&dag);
  change();
  if (dag.order.empty()) {
    if (stays) queue.order.clear();
    return;
  }
  dag.head_weight = (*dag.order.begin())->head_weight;
  if (!stays) queue.order.insert(&dag);
}

}  // namespace

bool LineOrder::operator()(const Line* a, const Line* b) const {
  return std::tuple(-int64_t{a->head_weight}, a->pass, a->run->row.logical_date_us,
                    a->run->row.id) <
         std::tuple(-int64_t{b->head_weight}, b->pass, b->run->row.logical_date_us, b->run->row.id);
}

bool DagOrder::operator()(const DagQueue* a, const DagQueue* b) const {
  return std::tuple(-int64_t{a->head_weight}, a->pass, a->dag) <
         std::tuple(-int64_t{b->head_weight}, b->pass, b->dag);
}

bool LineAge::operator()(const Line* a, const Line* b) const {
  return std::tuple(a->waiting_since_us, a->run->row.id) <
         std::tuple(b->waiting_since_us, b->run->row.id);
}

ClassId Admission::ClassOf(const dag::TaskSettings& settings) {
  const auto [it, added] =
      class_by_key_.try_emplace(KeyOf(settings), static_cast<ClassId>(classes_.size()));
  if (added) {
    WorkClass cls;
    cls.queue = settings.queue;
    cls.pool = settings.pool;
    cls.pool_slots = settings.pool_slots;
    cls.demand = Demand{settings.queue, settings.labels, settings.resources};
    classes_.push_back(std::move(cls));
  }
  return it->second;
}

void Admission::SetNamespaceWeight(NamespaceId ns, int32_t weight) {
  shares_[ns].weight = std::max(weight, 1);
}

void Admission::SetPool(const PoolRow& row) { pools_[row.name].row = row; }

bool Admission::DeletePool(const std::string& name) {
  const bool in_use = std::any_of(classes_.begin(), classes_.end(), [&](const WorkClass& cls) {
    return cls.pool == name && (cls.ready > 0 || cls.live > 0);
  });
  if (in_use) return false;
  pools_.erase(name);
  return true;
}

const Pool* Admission::FindPool(const std::string& name) const {
  const auto it = pools_.find(name);
  return it == pools_.end() ? nullptr : &it->second;
}

Line& Admission::LineOf(Run& run, ClassId cls) {
  std::unique_ptr<Line>& line = run.lines[cls];
  if (line == nullptr) {
    line = std::make_unique<Line>();
    line->run = &run;
    line->cls = cls;
    line->dag = &DagOf(QueueOf(*line), run.row.dag);
    ++line->dag->lines;
  }
  return *line;
}

// Drops entries whose instance left the line.
void Admission::TrimHeap(Line& line) {
  const Run& run = *line.run;
  while (!line.heap.empty()) {
    const uint32_t task = run.version->task_at(line.heap.front());
    if (run.instances[task].state == TaskState::kReady) return;
    std::pop_heap(line.heap.begin(), line.heap.end(), std::greater<>());
    line.heap.pop_back();
  }
}

NamespaceQueue& Admission::QueueOf(const Line& line) {
  return classes_[line.cls].queues[line.run->ns];
}

void Admission::List(Line& line, SteadyTime now) {
  TrimHeap(line);
  if (line.ready == 0 || line.run->held || line.listed) return;
  PENSTOCK_CHECK(!line.heap.empty(), "a line with ready instances has entries");
  NamespaceQueue& queue = QueueOf(line);
  DagQueue& dag = *line.dag;
  NamespaceShare& share = shares_[line.run->ns];
  share.pass = std::max(share.pass, namespace_pass_);
  line.pass = std::max(line.pass, dag.line_pass);
  if (line.waiting_since_us == 0) line.waiting_since_us = now.micros();
  line.head_weight =
      line.run->version->topology().weight(line.run->version->task_at(line.heap.front()));
  Reorder(queue, dag, [&] {
    if (dag.order.empty()) dag.pass = std::max(dag.pass, queue.pass);
    dag.order.insert(&line);
  });
  queue.age.insert(&line);
  line.listed = true;
}

void Admission::Unlist(Line& line) {
  if (!line.listed) return;
  NamespaceQueue& queue = QueueOf(line);
  Reorder(queue, *line.dag, [&] { line.dag->order.erase(&line); });
  queue.age.erase(&line);
  line.listed = false;
}

void Admission::Enter(Run& run, uint32_t task, SteadyTime now) {
  const ClassId id = run.version->class_of(task);
  Line& line = LineOf(run, id);
  line.heap.push_back(run.version->rank(task));
  std::push_heap(line.heap.begin(), line.heap.end(), std::greater<>());
  ++line.ready;
  ++classes_[id].ready;
  if (run.held) {
    ++classes_[id].held;
    return;
  }
  if (line.listed && run.version->topology().weight(task) <= line.head_weight) return;
  Unlist(line);
  List(line, now);
}

void Admission::Leave(Run& run, uint32_t task) {
  const ClassId id = run.version->class_of(task);
  Line& line = LineOf(run, id);
  PENSTOCK_CHECK(line.ready > 0, "an instance that leaves stands in line");
  --line.ready;
  --classes_[id].ready;
  if (run.held) --classes_[id].held;
  if (!line.listed) return;
  const int64_t since = line.waiting_since_us;
  Unlist(line);
  if (line.ready == 0) line.waiting_since_us = 0;
  List(line, SteadyTime::FromMicros(since));
}

void Admission::Hold(Run& run, bool held, SteadyTime now) {
  if (run.held == held) return;
  run.held = held;
  for (auto& [id, line] : run.lines) {
    if (held) {
      Unlist(*line);
      line->waiting_since_us = 0;
      classes_[id].held += line->ready;
    } else {
      classes_[id].held -= line->ready;
      List(*line, now);
    }
  }
}

void Admission::Forget(Run& run) {
  for (auto& [id, line] : run.lines) {
    PENSTOCK_CHECK(line->ready == 0, "a run that ends has nothing in line");
    Unlist(*line);
    // A DAG without lines is remembered for what it has had beyond its share.
    NamespaceQueue& queue = QueueOf(*line);
    if (--line->dag->lines == 0 && line->dag->pass <= queue.pass) queue.dags.erase(run.row.dag);
  }
  run.lines.clear();
}

bool Admission::PoolBlocks(ClassId id, const WorkClass& cls) const {
  if (cls.pool.empty()) return false;
  const auto it = pools_.find(cls.pool);
  if (it == pools_.end()) return true;
  const Pool& pool = it->second;
  if (pool.reserved_for && *pool.reserved_for != id) return true;
  return pool.row.slots - pool.used < cls.pool_slots;
}

bool Admission::HasRoom(const WorkClass& cls) const {
  return cls.no_room_at != sessions_.generation();
}

void Admission::ReservePool(ClassId id, WorkClass& cls) {
  if (cls.pool.empty()) return;
  const auto it = pools_.find(cls.pool);
  if (it == pools_.end() || it->second.row.slots < cls.pool_slots) return;
  if (!it->second.reserved_for) it->second.reserved_for = id;
}

void Admission::BeginRound(SteadyTime now) {
  for (auto& [name, pool] : pools_) pool.reserved_for.reset();
  std::vector<std::pair<int64_t, ClassId>> aged;
  for (ClassId id = 0; id < classes_.size(); ++id) {
    WorkClass& cls = classes_[id];
    int64_t oldest = now.micros();
    for (const auto& [ns, queue] : cls.queues) {
      if (!queue.age.empty()) oldest = std::min(oldest, (*queue.age.begin())->waiting_since_us);
    }
    if (oldest <= now.micros() - ageing_bound_us_) {
      aged.emplace_back(oldest, id);
    } else if (cls.demand.has_resources()) {
      sessions_.Unreserve(id);
    }
  }
  std::sort(aged.begin(), aged.end());
  for (const auto& [since, id] : aged) {
    WorkClass& cls = classes_[id];
    ReservePool(id, cls);
    if (cls.demand.has_resources() && sessions_.Choose(id, cls.demand) == nullptr) {
      sessions_.Reserve(id, cls.demand);
    }
  }
}

Admission::Candidate Admission::TopOf(WorkClass& cls, NamespaceId ns, NamespaceQueue& queue,
                                      SteadyTime now) const {
  Line* oldest = *queue.age.begin();
  const bool aged =
      oldest->waiting_since_us <= now.micros() - ageing_bound_us_ && !shares_.at(ns).aged_last;
  Line* best = *(*queue.order.begin())->order.begin();
  return {&cls, ns, &queue, aged ? oldest : best, aged, nullptr};
}

bool Admission::Better(const Candidate& a, const Candidate& b) const {
  if (a.ns != b.ns) {
    const double pass_a = shares_.at(a.ns).pass;
    const double pass_b = shares_.at(b.ns).pass;
    return std::tuple(pass_a, a.ns) < std::tuple(pass_b, b.ns);
  }
  if (a.aged != b.aged) return a.aged;
  if (a.aged) return LineAge()(a.line, b.line);
  const DagQueue* dag_a = *a.queue->order.begin();
  const DagQueue* dag_b = *b.queue->order.begin();
  if (dag_a->dag != dag_b->dag) return DagOrder()(dag_a, dag_b);
  return LineOrder()(a.line, b.line);
}

std::optional<Admission::Candidate> Admission::Best(SteadyTime now) {
  std::optional<Candidate> best;
  for (ClassId id = 0; id < classes_.size(); ++id) {
    WorkClass& cls = classes_[id];
    if (cls.ready == cls.held || PoolBlocks(id, cls) || !HasRoom(cls)) continue;
    for (auto& [ns, queue] : cls.queues) {
      if (queue.order.empty()) continue;
      const Candidate candidate = TopOf(cls, ns, queue, now);
      if (!best || Better(candidate, *best)) best = candidate;
    }
  }
  return best;
}

// The best one that has a session. A class without one is out until the sessions change.
std::optional<Admission::Candidate> Admission::Place(SteadyTime now) {
  std::optional<Candidate> best;
  while ((best = Best(now))) {
    const auto id = static_cast<ClassId>(best->cls - classes_.data());
    best->session = sessions_.Choose(id, best->cls->demand);
    if (best->session != nullptr) break;
    best->cls->no_room_at = sessions_.generation();
  }
  return best;
}

const Run* Admission::Peek(SteadyTime now) {
  const std::optional<Candidate> best = Place(now);
  return best ? best->line->run : nullptr;
}

std::optional<Admission::Pick> Admission::Next(SteadyTime now) {
  const std::optional<Candidate> best = Place(now);
  if (!best) return std::nullopt;
  return Serve(*best, now);
}

Admission::Pick Admission::Serve(const Candidate& candidate, SteadyTime now) {
  Line& line = *candidate.line;
  Run& run = *line.run;
  Unlist(line);
  TrimHeap(line);
  const uint32_t task = run.version->task_at(line.heap.front());
  std::pop_heap(line.heap.begin(), line.heap.end(), std::greater<>());
  line.heap.pop_back();
  --line.ready;
  --candidate.cls->ready;
  NamespaceShare& share = shares_[candidate.ns];
  namespace_pass_ = share.pass;
  share.pass += 1.0 / share.weight;
  share.aged_last = candidate.aged;
  DagQueue& dag = *line.dag;
  Reorder(*candidate.queue, dag, [&] {
    candidate.queue->pass = dag.pass;
    dag.pass += 1;
    dag.line_pass = line.pass;
  });
  line.pass += 1;
  line.waiting_since_us = line.ready > 0 ? now.micros() : 0;
  candidate.session->credits -= 1;
  Charge(line.cls, candidate.session);
  // The caller turns the instance's state; the line is listed again without it.
  run.instances[task].state = TaskState::kLeased;
  List(line, now);
  return {&run, task, candidate.session};
}

void Admission::Charge(ClassId id, Session* session) {
  WorkClass& cls = classes_[id];
  ++cls.live;
  if (!cls.pool.empty()) {
    if (const auto it = pools_.find(cls.pool); it != pools_.end())
      it->second.used += cls.pool_slots;
  }
  if (session != nullptr) sessions_.Charge(*session, cls.demand);
}

void Admission::Release(ClassId id, Session* session) {
  WorkClass& cls = classes_[id];
  --cls.live;
  if (!cls.pool.empty()) {
    if (const auto it = pools_.find(cls.pool); it != pools_.end())
      it->second.used -= cls.pool_slots;
  }
  if (session != nullptr) sessions_.Release(*session, cls.demand);
}

Admission::Verdict Admission::JudgePool(const WorkClass& cls, ClassId id) const {
  if (cls.pool.empty()) return {};
  const Pool* pool = FindPool(cls.pool);
  if (pool == nullptr) {
    return {Reason::kPoolMissing, fmt::format("pool {} does not exist", cls.pool),
            fmt::format("penstock pool set {} {}", cls.pool, cls.pool_slots)};
  }
  if (pool->row.slots < cls.pool_slots) {
    return {Reason::kPoolTooSmall,
            fmt::format("asks for {} slots of pool {}, which has {}", cls.pool_slots, cls.pool,
                        pool->row.slots),
            fmt::format("penstock pool set {} {}", cls.pool, cls.pool_slots)};
  }
  if (pool->row.slots - pool->used < cls.pool_slots) {
    return {Reason::kBlockedPool,
            fmt::format("waits for pool {}: {} of {} slots taken, {} asked for", cls.pool,
                        pool->used, pool->row.slots, cls.pool_slots),
            {}};
  }
  if (pool->reserved_for && *pool->reserved_for != id) {
    return {Reason::kPoolReserved,
            fmt::format("pool {} keeps its free slots for a task that has waited longer and asks "
                        "for {}",
                        cls.pool, classes_[*pool->reserved_for].pool_slots),
            {}};
  }
  return {};
}

Admission::Verdict Admission::JudgeWorkers(const WorkClass& cls, ClassId id) const {
  int serving_queue = 0;
  int matching = 0;
  int reserved = 0;
  for (const auto& [session_id, session] : sessions_.all()) {
    if (!session->usable()) continue;
    const auto& queues = session->info.queues;
    if (std::find(queues.begin(), queues.end(), cls.queue) == queues.end()) continue;
    ++serving_queue;
    if (!session->Serves(cls.demand) || !session->LargeEnough(cls.demand)) continue;
    ++matching;
    const bool kept = session->reserved_for && *session->reserved_for != id;
    if (session->credits > 0 && session->Fits(cls.demand) && !kept) return {};
    if (kept) ++reserved;
  }
  if (serving_queue == 0) {
    return {Reason::kNoWorker, fmt::format("no connected worker serves queue {}", cls.queue),
            fmt::format("start a worker with --queues {}", cls.queue)};
  }
  if (matching == 0) {
    return {Reason::kNoMatchingWorker,
            fmt::format("{} worker(s) serve queue {}, none has the labels or resources asked for",
                        serving_queue, cls.queue),
            {}};
  }
  if (reserved == matching) {
    return {Reason::kWorkerReserved,
            "the matching worker is kept free for a larger task that has waited longer",
            {}};
  }
  return {Reason::kWorkersBusy,
          fmt::format("all slots of the {} matching worker(s) of queue {} are taken", matching,
                      cls.queue),
          {}};
}

Admission::Verdict Admission::Judge(const Run& run, uint32_t task) const {
  const ClassId id = run.version->class_of(task);
  const WorkClass& cls = classes_[id];
  Verdict verdict = JudgePool(cls, id);
  if (verdict.reason == Reason::kInLine) verdict = JudgeWorkers(cls, id);
  if (verdict.reason == Reason::kInLine) verdict.sentence = "is next in line when a flush takes it";
  const auto line = run.lines.find(id);
  if (line != run.lines.end() && cls.ready > 1) {
    const uint32_t rank = run.version->rank(task);
    const auto ahead =
        std::count_if(line->second->heap.begin(), line->second->heap.end(), [&](uint32_t other) {
          return other < rank &&
                 run.instances[run.version->task_at(other)].state == TaskState::kReady;
        });
    verdict.sentence += fmt::format("; position {} of {} in its run's line, {} in line in all",
                                    ahead + 1, line->second->ready, cls.ready);
  }
  return verdict;
}

}  // namespace penstock::core
