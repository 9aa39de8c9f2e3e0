#pragma once
// The checks of expressions that need no run: syntax, parameters, tasks and their order.
#include <vector>

#include "common/dag/draft.h"

namespace penstock::dag {

// What the expressions of a file may refer to.
struct TemplateScope {
  const std::vector<ParamSpec>& params;
  const std::vector<TaskSpec>& tasks;
  // position[draft] = the draft's place in `tasks`.
  const std::vector<uint32_t>& position;
  bool sorted;  // `tasks` is in topological order: what is upstream of what can be judged
};

// Reports everything wrong with the expressions in `uses`.
void CheckTemplates(const std::vector<TemplateUse>& uses, const TemplateScope& scope,
                    const YamlTree& tree, const Limits& limits, Problems* problems);

}  // namespace penstock::dag
