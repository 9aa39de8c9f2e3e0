#include "common/dag/spec.h"

namespace penstock::dag {

std::string_view ToString(TaskKind kind) {
  switch (kind) {
    case TaskKind::kSh:
      return "sh";
    case TaskKind::kExec:
      return "exec";
    case TaskKind::kNoop:
      return "noop";
  }
  return "unknown";
}

std::string_view ToString(WeightRule rule) {
  switch (rule) {
    case WeightRule::kDownstream:
      return "downstream";
    case WeightRule::kUpstream:
      return "upstream";
    case WeightRule::kAbsolute:
      return "absolute";
  }
  return "unknown";
}

std::string_view ToString(ParamType type) {
  switch (type) {
    case ParamType::kString:
      return "string";
    case ParamType::kInteger:
      return "integer";
    case ParamType::kNumber:
      return "number";
    case ParamType::kBoolean:
      return "boolean";
    case ParamType::kObject:
      return "object";
    case ParamType::kArray:
      return "array";
  }
  return "unknown";
}

const std::shared_ptr<const TaskSettings>& SettingsRef::BuiltIn() {
  static const auto built_in = std::make_shared<const TaskSettings>();
  return built_in;
}

}  // namespace penstock::dag
