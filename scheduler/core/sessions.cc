#include "scheduler/core/sessions.h"

#include <algorithm>

namespace penstock::core {
namespace {

int64_t Of(const std::map<std::string, int64_t>& map, const std::string& name) {
  const auto it = map.find(name);
  return it == map.end() ? 0 : it->second;
}

// `limit` 0 = not limited.
bool Within(int64_t asked, int64_t used, int64_t limit) {
  return asked == 0 || limit == 0 || asked <= limit - used;
}

bool CustomWithin(const dag::Resources& asked, const std::map<std::string, int64_t>& used,
                  const std::map<std::string, int64_t>& limit) {
  return std::all_of(asked.custom.begin(), asked.custom.end(), [&](const auto& item) {
    return item.second <= Of(limit, item.first) - Of(used, item.first);
  });
}

}  // namespace

bool Session::Serves(const Demand& demand) const {
  if (std::find(info.queues.begin(), info.queues.end(), demand.queue) == info.queues.end()) {
    return false;
  }
  return std::all_of(demand.labels.begin(), demand.labels.end(), [&](const auto& label) {
    const auto it = info.labels.find(label.first);
    return it != info.labels.end() && it->second == label.second;
  });
}

bool Session::LargeEnough(const Demand& demand) const {
  return Within(demand.resources.cpu_millis, 0, info.cpu_millis) &&
         Within(demand.resources.memory_bytes, 0, info.memory_bytes) &&
         CustomWithin(demand.resources, {}, info.custom_resources);
}

bool Session::Fits(const Demand& demand) const {
  return Within(demand.resources.cpu_millis, used_cpu_millis, info.cpu_millis) &&
         Within(demand.resources.memory_bytes, used_memory_bytes, info.memory_bytes) &&
         CustomWithin(demand.resources, used_custom, info.custom_resources);
}

Session& SessionTable::Add(const SessionInfo& info) {
  auto& slot = sessions_[info.id];
  if (slot == nullptr) slot = std::make_unique<Session>();
  slot->info = info;
  Changed();
  return *slot;
}

Session* SessionTable::Find(SessionId id) {
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second.get();
}

const Session* SessionTable::Find(SessionId id) const {
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second.get();
}

void SessionTable::Remove(SessionId id) { sessions_.erase(id); }

void SessionTable::Ended(SessionId id) {
  constexpr size_t kRemembered = 4096;
  if (!ended_.insert(id).second) return;
  ended_order_.push_back(id);
  if (ended_order_.size() <= kRemembered) return;
  ended_.erase(ended_order_.front());
  ended_order_.pop_front();
}

Session* SessionTable::Choose(ClassId cls, const Demand& demand) {
  const auto fits = [&](const Session& s) {
    return s.usable() && s.credits > 0 && (!s.reserved_for || *s.reserved_for == cls) &&
           s.Serves(demand) && s.Fits(demand);
  };
  const auto start = sessions_.upper_bound(last_chosen_);
  for (auto it = start; it != sessions_.end(); ++it) {
    if (fits(*it->second)) return last_chosen_ = it->first, it->second.get();
  }
  for (auto it = sessions_.begin(); it != start; ++it) {
    if (fits(*it->second)) return last_chosen_ = it->first, it->second.get();
  }
  return nullptr;
}

bool SessionTable::Reserve(ClassId cls, const Demand& demand) {
  Session* best = nullptr;
  for (auto& [id, session] : sessions_) {
    if (!session->usable() || !session->Serves(demand) || !session->LargeEnough(demand)) continue;
    if (session->reserved_for == cls) return true;
    if (session->reserved_for) continue;
    if (best == nullptr || session->leases.size() < best->leases.size()) best = session.get();
  }
  if (best == nullptr) return false;
  best->reserved_for = cls;
  return true;
}

void SessionTable::Unreserve(ClassId cls) {
  for (auto& [id, session] : sessions_) {
    if (session->reserved_for == cls) session->reserved_for.reset(), Changed();
  }
}

void SessionTable::AddCredits(Session& session, int32_t credits) {
  session.credits += credits;
  Changed();
}

void SessionTable::Charge(Session& session, const Demand& demand) {
  session.used_cpu_millis += demand.resources.cpu_millis;
  session.used_memory_bytes += demand.resources.memory_bytes;
  for (const auto& [name, amount] : demand.resources.custom) session.used_custom[name] += amount;
}

void SessionTable::Release(Session& session, const Demand& demand) {
  session.used_cpu_millis -= demand.resources.cpu_millis;
  session.used_memory_bytes -= demand.resources.memory_bytes;
  for (const auto& [name, amount] : demand.resources.custom) session.used_custom[name] -= amount;
  if (demand.has_resources()) Changed();
}

std::vector<SessionId> SessionTable::Lost(SteadyTime now) const {
  std::vector<SessionId> lost;
  for (const auto& [id, session] : sessions_) {
    if (!session->lost && session->trusted_until <= now) lost.push_back(id);
  }
  return lost;
}

}  // namespace penstock::core
