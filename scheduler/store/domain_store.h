#pragma once
// How an owner reaches its domain's durable facts. Implemented by store/pg and by the simulator's
// model; the two are compared by a differential test. Blocking; one caller at a time per object.
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/ids.h"
#include "scheduler/core/facts.h"
#include "scheduler/core/flush_batch.h"
#include "scheduler/core/owner_protocol.h"

namespace penstock::store {

using core::FlushResult;
using core::FlushVerdict;
using core::LoadResult;

// Run ids [first, first + count) of one partition.
struct IdBlock {
  RunId first;
  int64_t count = 0;
};

class DomainStore {
 public:
  virtual ~DomainStore() = default;

  // Becomes the owner: epoch `seen` + 1, provided that the domain's epoch still is `seen` (ABORTED
  // otherwise). Writes the next fence row, terminates the predecessor's database backend, loads the
  // facts: one transaction. Counts one load without progress.
  // When commits are missing, or may be, the load begins a new life of the domain (facts.waits),
  // with a much higher epoch; so does Reload.
  virtual absl::StatusOr<LoadResult> TakeOver(SchedulerId self,
                                              const core::OwnerProtocol::TakeOver& request) = 0;

  // Loads again under the same epoch after a flush that failed (`in_doubt` = 0) or whose outcome
  // is unknown (`in_doubt` = its flush_seq). The fence row written at in_doubt (or after it, when
  // it had committed) makes the answer final. ABORTED when the domain has another owner by now.
  // Counts one load without progress if `refused`.
  virtual absl::StatusOr<LoadResult> Reload(const core::OwnerProtocol::Reload& request) = 0;

  // One durable step in one round trip; `seq` is the last one's + 1.
  virtual FlushResult Flush(Epoch epoch, FlushSeq seq, const core::FlushBatch& batch) = 0;

  // Makes durable what is about to be applied ("" = nothing is), for whoever comes after this
  // owner: facts.suspect. ABORTED when the domain has another owner.
  virtual absl::Status Note(Epoch epoch, const std::string& suspect) = 0;

  // At least `count` new run ids of the current partition, for a domain held under `epoch`.
  virtual absl::StatusOr<IdBlock> TakeIds(Epoch epoch, int64_t count) = 0;

  // Hands the domain over: no owner, same epoch. Call after the last flush.
  virtual absl::Status Release(Epoch epoch) = 0;

  // Facts of one finished run, to bring it back (retry). NOT_FOUND when retention took it.
  virtual absl::StatusOr<core::DomainFacts> LoadRun(RunId run) = 0;
};

}  // namespace penstock::store
