#pragma once
// Task instances: list, look at, explain.
#include <memory>
#include <vector>

#include "penstock/v1/control.pb.h"
#include "scheduler/api/caller.h"
#include "scheduler/api/services.h"

namespace penstock::api {

// Thread-safe; see services.h.
class TaskHandlers {
 public:
  explicit TaskHandlers(const Services& services) : s_(services) {}

  void List(const Caller& caller, const v1::ListTaskInstancesRequest& request,
            v1::ListTaskInstancesResponse* response, Done done);
  void Get(const Caller& caller, const v1::GetTaskInstanceRequest& request,
           v1::TaskInstance* response, Done done);
  void Explain(const Caller& caller, const v1::ExplainTaskInstanceRequest& request,
               v1::Explanation* response, Done done);

 private:
  // A run, and the version that tells its tasks.
  struct Subject {
    store::NamespaceRecord ns;
    store::RunRecord run;
    std::shared_ptr<const Version> version;
    bool live() const { return !core::IsTerminal(run.row.state); }
  };
  struct Listing;
  using ListingPtr = std::shared_ptr<Listing>;  // shared by the steps of one request

  absl::StatusOr<Subject> Find(const std::string& ns, const v1::RunRef& run);
  // Does `read`, which fills the response, on the owner when the run is live, else here.
  template <typename Request, typename Response>
  void Route(const Caller& caller, const char* method, const Request& request, Response* response,
             std::function<void(const Done&)> read, const Subject& subject, const Done& done);

  void NextChunk(const ListingPtr& listing);
  void AddChunk(const ListingPtr& listing, int32_t end,
                const std::vector<std::optional<core::TaskView>>& views);
  absl::StatusOr<bool> TryAddChunk(Listing& listing, int32_t end,
                                   const std::vector<std::optional<core::TaskView>>& views);

  using Keyed = std::pair<Subject, core::TaskKey>;
  absl::StatusOr<Keyed> FindInstance(const std::string& ns, const v1::RunRef& run,
                                     const std::string& task, int32_t map);
  void ReadInstance(const Keyed& keyed, v1::TaskInstance* response, const Done& done);
  absl::Status FillInstance(const Keyed& keyed, const std::optional<core::TaskView>& view,
                            v1::TaskInstance* response);
  absl::Status AddHistory(const core::TaskKey& key, v1::TaskInstance* response);
  void ExplainHere(const Keyed& keyed, v1::Explanation* response, const Done& done);
  absl::Status ExplainEnded(const Keyed& keyed, v1::Explanation* response);
  // From the owner's word, and from the row where that knows more: causes, workers, times.
  absl::StatusOr<core::Explanation> Complete(const Keyed& keyed, const core::Explanation& seen);
  absl::StatusOr<core::Explanation> FromRow(const Keyed& keyed, const store::TaskRecord& task,
                                            core::RunState run);
  // Upstream instances that decided the end of `task` without an attempt, a few.
  absl::StatusOr<std::vector<store::TaskRecord>> Decisive(const Keyed& keyed,
                                                          const store::TaskRecord& task);

  const Services& s_;
};

}  // namespace penstock::api
