#pragma once
// Strong identifiers. Two ids of different kinds never compare, convert or mix by accident.
#include <cstdint>
#include <functional>
#include <ostream>
#include <utility>

namespace penstock {

// An integer of its own kind. 0 means "none" for every id below. Value type, thread-compatible.
template <typename Tag, typename Rep = int64_t>
class StrongId {
 public:
  using rep = Rep;
  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  constexpr explicit operator bool() const { return value_ != 0; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  template <typename H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value_);
  }
  friend std::ostream& operator<<(std::ostream& out, StrongId id) { return out << id.value_; }

 private:
  Rep value_ = 0;
};

// A domain: what one owner schedules as a whole.
using DomainId = StrongId<struct DomainTag, int32_t>;
// A namespace: a team's boundary for names, roles and quotas.
using NamespaceId = StrongId<struct NamespaceTag, int32_t>;
using DagId = StrongId<struct DagTag, int64_t>;
using VersionId = StrongId<struct VersionTag, int64_t>;
// A DAG run. Grows with time; the upper bits name the partition that holds its rows.
using RunId = StrongId<struct RunTag, int64_t>;
// One life of one worker process. Random, positive; never reused.
using SessionId = StrongId<struct SessionTag, int64_t>;
// One life of one scheduler process. Random, positive; never reused.
using SchedulerId = StrongId<struct SchedulerTag, int64_t>;
// Ownership term of a domain: grows by one at each takeover.
using Epoch = StrongId<struct EpochTag, int64_t>;
// Number of a durable step of a domain: grows by one at each flush.
using FlushSeq = StrongId<struct FlushSeqTag, int64_t>;
// Life of the database: renewed after a restore or a failover that lost commits.
using Incarnation = StrongId<struct IncarnationTag, int64_t>;

}  // namespace penstock
