#pragma once
// A DAG file as it arrives with ApplyDag, checked as a whole.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/dag/topology.h"
#include "penstock/v1/control.pb.h"

namespace penstock::api {

// The canonical form must fit a message to the workers.
inline constexpr size_t kMaxCanonicalBytes = 15 << 20;

struct CheckedDag {
  std::string canonical_json;
  std::string bundle_hash;                        // "" = no files
  std::string hash;                               // of the version
  std::shared_ptr<const dag::Topology> topology;  // shared with the owner and the caches
};

struct DagFileCheck {
  absl::Status status;                    // OK, or INVALID_ARGUMENT with the problems as text
  v1::ProblemList problems;               // the same as data, cut to what fits trailing metadata
  std::shared_ptr<const CheckedDag> dag;  // when OK; shared by the steps of the request
};

DagFileCheck CheckDagFile(std::string_view yaml, std::string_view bundle);

}  // namespace penstock::api
