#pragma once
// Between the control API's messages and the values of core and store.
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/dag/topology.h"
#include "google/protobuf/timestamp.pb.h"
#include "penstock/v1/control.pb.h"
#include "scheduler/core/views.h"
#include "scheduler/store/catalog.h"
#include "scheduler/store/fleet_store.h"

namespace penstock::api {

v1::TaskState ToProto(core::TaskState state);
v1::RunState ToProto(core::RunState state);
v1::Cause ToProto(core::Cause cause);
// nullopt for UNSPECIFIED and for numbers unknown to this build.
std::optional<core::TaskState> FromProto(v1::TaskState state);
std::optional<core::RunState> FromProto(v1::RunState state);
// Numbers unknown to this build become kNone.
core::Cause FromProto(v1::Cause cause);

// Sets nothing for 0.
void SetTime(int64_t us, google::protobuf::Timestamp* time);
// Microseconds; nullopt outside the years 1 to 9999 or with bad nanoseconds.
std::optional<int64_t> ToMicros(const google::protobuf::Timestamp& time);

// The run's key as people know it: its own, or "run-<id>".
std::string RunKey(const core::RunRow& run);
// The id in a key of the form "run-<id>".
std::optional<RunId> RunIdOfKey(std::string_view key);

v1::Run ToProto(const core::RunRow& run, std::string_view ns, std::string_view dag,
                int32_t version_number);
v1::Run ToProto(const store::RunRecord& run, std::string_view ns);
v1::Dag ToProto(const store::DagRecord& dag, std::string_view ns);
void AddTasks(const dag::Topology& topology, v1::Dag* dag);
v1::TaskInstance ToProto(const store::TaskRecord& task, std::string_view task_id);
v1::Attempt ToProto(const store::AttemptView& attempt);
v1::Pool ToProto(const core::PoolView& pool, std::string_view ns);
v1::Queue ToProto(const core::QueueView& queue);
v1::Worker ToProto(const core::SessionView& session);
v1::Namespace ToProto(const store::NamespaceRecord& ns);
v1::DomainStatus ToProto(const store::DomainRow& domain);

}  // namespace penstock::api
