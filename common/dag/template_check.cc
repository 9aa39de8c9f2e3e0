#include "common/dag/template_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/dag/expr.h"
#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

// A reference to a task that is not a direct upstream.
struct Indirect {
  uint32_t target;
  uint32_t user;
  const TemplateUse* use;
  size_t offset;

  // By position in the file.
  std::tuple<uint32_t, uint32_t, size_t> Order() const {
    return {use->node->line, use->node->column, offset};
  }
};

class Checker {
 public:
  Checker(const TemplateScope& scope, const YamlTree& tree, const Limits& limits,
          Problems* problems)
      : scope_(scope), tree_(tree), limits_(limits), problems_(*problems) {
    for (const ParamSpec& param : scope_.params) params_.push_back(param.name);
    for (uint32_t i = 0; i < scope_.tasks.size(); ++i) by_id_.emplace(scope_.tasks[i].id, i);
  }

  void Check(const TemplateUse& use) {
    ExprLimits bounds;
    bounds.max_template_bytes = limits_.max_text_bytes;
    Template compiled;
    found_here_ = 0;
    if (const auto error = Template::Check(use.node->text, bounds, &compiled)) {
      Fail(use, error->offset, error->message, error->suggestion);
      return;
    }
    for (const Reference& reference : compiled.References()) {
      if (reference.kind == Reference::Kind::kParam) CheckParam(use, reference);
      if (reference.kind == Reference::Kind::kTaskOutput) CheckTask(use, reference);
    }
  }

  // Judges all indirect references, 64 targets at a time: one pass over the edges tells for every
  // task which of the targets lie upstream of it.
  void CheckIndirect() {
    std::sort(indirect_.begin(), indirect_.end(), [](const Indirect& a, const Indirect& b) {
      return std::tie(a.target, a.user, a.offset) < std::tie(b.target, b.user, b.offset);
    });
    for (size_t begin = 0; begin < indirect_.size();) begin = CheckBatch(begin);
    std::sort(wrong_.begin(), wrong_.end(),
              [](const Indirect& a, const Indirect& b) { return a.Order() < b.Order(); });
    found_here_ = 0;
    for (const Indirect& one : wrong_) FailUpstream(*one.use, one.offset, one.target, one.user);
  }

 private:
  void Fail(const TemplateUse& use, size_t offset, std::string message,
            std::string_view suggestion) {
    // Finding the place costs as much as the text is long.
    if (++found_here_ > limits_.max_problems) return problems_.Omit();
    problems_.Add(tree_.PlaceInText(*use.node, offset), use.path, std::move(message),
                  suggestion.empty() ? "" : fmt::format("\"{}\"", suggestion));
  }

  void CheckParam(const TemplateUse& use, const Reference& reference) {
    if (reference.name.empty()) return;
    if (std::find(params_.begin(), params_.end(), reference.name) != params_.end()) return;
    Fail(use, reference.offset,
         fmt::format("there is no parameter \"{}\"", ShownText(reference.name)),
         problems_.Suggest(reference.name, params_));
  }

  void CheckTask(const TemplateUse& use, const Reference& reference) {
    const auto found = by_id_.find(reference.name);
    if (found == by_id_.end()) {
      Fail(use, reference.offset, fmt::format("there is no task \"{}\"", ShownText(reference.name)),
           ClosestTask(reference.name));
      return;
    }
    if (use.task == TemplateUse::kDefaults) {
      Fail(use, reference.offset, "`defaults` cannot refer to the outputs of tasks", "");
      return;
    }
    CheckUpstream(use, reference, found->second, scope_.position[use.task]);
  }

  void CheckUpstream(const TemplateUse& use, const Reference& reference, uint32_t target,
                     uint32_t user) {
    const std::vector<uint32_t>& needs = scope_.tasks[user].needs;
    if (scope_.tasks[target].kind == TaskKind::kNoop) {
      Fail(use, reference.offset,
           fmt::format("task \"{}\" is a noop and has no outputs", reference.name), "");
    } else if (!scope_.sorted || std::binary_search(needs.begin(), needs.end(), target)) {
      return;
    } else if (target < user) {
      indirect_.push_back({target, user, &use, reference.offset});
    } else {
      FailUpstream(use, reference.offset, target, user);
    }
  }

  void FailUpstream(const TemplateUse& use, size_t offset, uint32_t target, uint32_t user) {
    if (target == user) {
      Fail(use, offset, "a task cannot refer to its own outputs", "");
      return;
    }
    Fail(use, offset,
         fmt::format("task \"{0}\" is not upstream of \"{1}\": add \"{0}\" to its needs",
                     scope_.tasks[target].id, scope_.tasks[user].id),
         "");
  }

  std::string_view ClosestTask(std::string_view id) {
    std::vector<std::string_view> ids;
    for (const TaskSpec& task : scope_.tasks) ids.push_back(task.id);
    return problems_.Suggest(id, ids);
  }

  // Judges the references from `begin` on that share up to 64 targets; returns where they end.
  size_t CheckBatch(size_t begin) {
    std::vector<uint32_t> targets;
    uint32_t last_user = 0;
    size_t end = begin;
    for (; end < indirect_.size(); ++end) {
      if (targets.empty() || targets.back() != indirect_[end].target) {
        if (targets.size() == 64) break;
        targets.push_back(indirect_[end].target);
      }
      last_user = std::max(last_user, indirect_[end].user);
    }
    Spread(targets, last_user);
    for (size_t i = begin; i < end; ++i) {
      const Indirect& one = indirect_[i];
      const auto bit = static_cast<size_t>(
          std::lower_bound(targets.begin(), targets.end(), one.target) - targets.begin());
      if ((upstream_[one.user] >> bit & 1) == 0) wrong_.push_back(one);
    }
    return end;
  }

  // upstream_[t] = bits of the targets that are t or upstream of it, for t up to `last`.
  void Spread(const std::vector<uint32_t>& targets, uint32_t last) {
    upstream_.assign(size_t{last} + 1, 0);
    size_t next = 0;
    for (uint32_t task = targets[0]; task <= last; ++task) {
      for (uint32_t up : scope_.tasks[task].needs) upstream_[task] |= upstream_[up];
      if (next < targets.size() && targets[next] == task) upstream_[task] |= uint64_t{1} << next++;
    }
  }

  const TemplateScope& scope_;
  const YamlTree& tree_;
  const Limits& limits_;
  Problems& problems_;
  std::vector<std::string_view> params_;
  absl::flat_hash_map<std::string_view, uint32_t> by_id_;
  std::vector<Indirect> indirect_;
  std::vector<Indirect> wrong_;
  std::vector<uint64_t> upstream_;
  size_t found_here_ = 0;  // problems in the text that is being checked
};

}  // namespace

void CheckTemplates(const std::vector<TemplateUse>& uses, const TemplateScope& scope,
                    const YamlTree& tree, const Limits& limits, Problems* problems) {
  if (uses.empty()) return;
  Checker checker(scope, tree, limits, problems);
  for (const TemplateUse& use : uses) checker.Check(use);
  checker.CheckIndirect();
}

}  // namespace penstock::dag
