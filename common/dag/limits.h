#pragma once
// What a DAG file may cost at most. The CLI and the scheduler check the same numbers, so a file is
// refused before it is sent, and nothing downstream has to fear a size it has not seen here.
#include <cstddef>
#include <cstdint>

namespace penstock::dag {

// Sizes are bytes of UTF-8. A value may be lowered by an operator; raising one above its default
// is not tested.
struct Limits {
  size_t max_file_bytes = 4 << 20;
  size_t max_tasks = 100'000;
  // Maps and lists inside each other, in the file and in JSON given for parameters.
  size_t max_nesting = 64;
  // Edges of the whole DAG, and of one task. A join over everything is legal.
  size_t max_edges = 2'000'000;
  size_t max_upstreams_per_task = 100'000;
  // Ids of DAGs and tasks, names of queues, pools, parameters, labels, resources, variables.
  size_t max_id_bytes = 200;
  size_t max_description_bytes = 4 << 10;
  // `sh` text, one `exec` argument, one `env` value, one parameter default.
  size_t max_text_bytes = 64 << 10;
  size_t max_exec_args = 1'000;
  size_t max_env_entries = 200;
  size_t max_labels = 50;
  size_t max_custom_resources = 20;
  size_t max_params = 200;
  size_t max_enum_values = 1'000;
  size_t max_files = 1'000;
  // Everything the tasks hold after `defaults` were merged in (a default repeated in many
  // different tasks multiplies). Also bounds the canonical form.
  size_t max_effective_bytes = 32 << 20;
  // JSON text of the parameters of one run.
  size_t max_params_json_bytes = 1 << 20;
  // Problems reported at once; one more line says how many were left out.
  size_t max_problems = 100;
  int32_t max_priority = 10'000;
  int32_t max_retries = 1'000;
  int32_t max_pool_slots = 1'000'000;
  int32_t max_active = 1'000'000;
  // Longest duration anywhere: a year.
  int64_t max_duration_ms = int64_t{366} * 24 * 3600 * 1000;
};

}  // namespace penstock::dag
