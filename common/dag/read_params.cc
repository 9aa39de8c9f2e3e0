// The declaration of parameters, and the values a run gives them.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/dag/draft.h"
#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

constexpr std::array<std::string_view, 6> kTypes = {"string",  "integer", "number",
                                                    "boolean", "object",  "array"};

struct ParamDraft {
  ParamSpec spec;
  const Node* type = nullptr;
  const Node* fallback = nullptr;
  const Node* choices = nullptr;
  std::optional<Value> default_value;
  std::vector<std::pair<const Node*, Value>> enum_values;
  std::optional<bool> required;
};

constexpr std::array<Key<ParamDraft>, 5> kParamKeys = {{
    {{"type", "`string`, `integer`, `number`, `boolean`, `object` or `array`", "string",
      "What values it takes, in JSON's words.",
      R"({"enum":["string","integer","number","boolean","object","array"]})"},
     [](Reader& reader, const Node& value, ParamDraft& param) {
       param.type = &value;
       const auto type = reader.Choice(value, kTypes, "a type");
       if (type) param.spec.type = static_cast<ParamType>(*type);
     }},
    {{"default", "value", "", "What a run gets that gives none.", "{}"},
     [](Reader& reader, const Node& value, ParamDraft& param) {
       param.fallback = &value;
       param.default_value = reader.Json(value);
     }},
    {{"enum", "list of values", "", "The only values allowed.", R"({"type":"array","minItems":1})"},
     [](Reader& reader, const Node& value, ParamDraft& param) {
       param.choices = &value;
       if (!reader.ExpectList(value)) return;
       if (value.size == 0) reader.Fail(value, "the list of allowed values is empty");
       if (!reader.ExpectAtMost(value, value.size, reader.limits().max_enum_values, "values"))
         return;
       reader.tree().ForEach(value, [&](const Node& choice) {
         if (auto json = reader.Json(choice)) param.enum_values.emplace_back(&choice, *json);
       });
     }},
    {{"required", "boolean", "",
      "Whether a run must give it; unless said otherwise, it must when there is no default. "
      "Neither required nor given: null.",
      R"({"type":"boolean"})"},
     [](Reader& reader, const Node& value, ParamDraft& param) {
       param.required = reader.Bool(value);
       if (param.required == true && param.default_value) {
         reader.Fail(value, "a required parameter has no use for a default");
       }
     }},
    {{"description", "text", "", "For people.", R"({"type":"string"})"},
     [](Reader& reader, const Node& value, ParamDraft& param) {
       const auto text = reader.Text(value, reader.limits().max_description_bytes);
       if (text) param.spec.description = *text;
     }},
}};

ParamType TypeOf(const Value& value) {
  switch (value.type()) {
    case Value::Type::kBool:
      return ParamType::kBoolean;
    case Value::Type::kInt:
      return ParamType::kInteger;
    case Value::Type::kNumber:
      return ParamType::kNumber;
    case Value::Type::kArray:
      return ParamType::kArray;
    case Value::Type::kObject:
      return ParamType::kObject;
    default:
      return ParamType::kString;
  }
}

bool HasType(const Value& value, ParamType type) {
  if (value.is_null()) return false;
  if (type == ParamType::kNumber) return value.is_number();
  return TypeOf(value) == type;
}

void CheckDraft(Reader& reader, ParamDraft& param) {
  for (const auto& [node, value] : param.enum_values) {
    if (!HasType(value, param.spec.type)) {
      reader.Fail(*node, fmt::format("must be of type {}", ToString(param.spec.type)));
    }
    param.spec.enum_json.push_back(value.ToJson());
  }
  if (!param.default_value) return;
  param.spec.default_json = param.default_value->ToJson();
  const size_t size = param.spec.default_json.size();
  if (!reader.ExpectAtMost(*param.fallback, size, reader.limits().max_text_bytes, "bytes")) return;
  const auto wrong = CheckParamValue(param.spec, *param.default_value);
  if (wrong) reader.Fail(*param.fallback, fmt::format("the default {}", *wrong));
}

ParamSpec ReadParam(Reader& reader, const Node& name, const Node& value) {
  ParamDraft param;
  param.spec.name = name.text;
  if (!IsName(name.text) || name.text.size() > reader.limits().max_id_bytes) {
    reader.Fail(name, "a parameter's name is letters, digits and _, not starting with a digit");
  }
  if (value.kind == NodeKind::kMap) {
    ReadKeys<ParamDraft>(reader, value, kParamKeys, {}, param);
  } else if (value.kind == NodeKind::kList || value.kind == NodeKind::kNull) {
    reader.Fail(value, "expected a default value or a map with `type` and the like",
                "{type: string}");
  } else {
    param.fallback = &value;
    param.default_value = reader.Json(value);
    if (param.default_value) param.spec.type = TypeOf(*param.default_value);
  }
  param.spec.required = param.required.value_or(param.fallback == nullptr);
  CheckDraft(reader, param);
  return std::move(param.spec);
}

// Collects what is wrong with the values of a run.
class Resolution {
 public:
  explicit Resolution(const DagSpec& dag) : dag_(dag) {
    for (const ParamSpec& param : dag.params) names_.push_back(param.name);
  }

  absl::StatusOr<std::string> Run(const Value::Object& given) {
    Value::Object resolved;
    for (const ParamSpec& param : dag_.params) {
      const auto found = given.find(param.name);
      PENSTOCK_ASSIGN_OR_RETURN(
          Value value, found == given.end() ? Absent(param) : absl::StatusOr<Value>(found->second));
      if (found != given.end()) Check(param, value);
      resolved.emplace(param.name, std::move(value));
    }
    for (const auto& [name, value] : given) CheckKnown(name);
    if (!problems_.empty()) {
      return MakeStatus(absl::StatusCode::kInvalidArgument,
                        fmt::format("{}", fmt::join(problems_, "; ")));
    }
    return Value::Map(std::move(resolved)).ToJson();
  }

 private:
  static constexpr size_t kMaxProblems = 100;
  void Add(std::string text) {
    if (problems_.size() < kMaxProblems) problems_.push_back(std::move(text));
  }
  absl::StatusOr<Value> Absent(const ParamSpec& param) {
    if (param.required) Add(fmt::format("parameter \"{}\" is required", param.name));
    return param.default_json.empty() ? Value() : Value::FromJson(param.default_json);
  }
  void Check(const ParamSpec& param, const Value& value) {
    if (value.is_null() && !param.required && param.default_json.empty()) return;
    if (const auto wrong = CheckParamValue(param, value)) {
      Add(fmt::format("parameter \"{}\" {}", param.name, *wrong));
    }
  }
  void CheckKnown(const std::string& name) {
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) return;
    std::string text = fmt::format("there is no parameter \"{}\"", ShownText(name));
    const std::string_view close = problems_.size() < kMaxProblems ? Closest(name, names_) : "";
    if (!close.empty()) text += fmt::format(" (did you mean \"{}\"?)", close);
    Add(std::move(text));
  }

  const DagSpec& dag_;
  std::vector<std::string_view> names_;
  std::vector<std::string> problems_;
};

}  // namespace

std::optional<std::string> CheckParamValue(const ParamSpec& param, const Value& value) {
  if (!HasType(value, param.type)) {
    return fmt::format("must be of type {}, not {}", ToString(param.type), ToString(value.type()));
  }
  if (param.enum_json.empty()) return std::nullopt;
  for (const std::string& allowed : param.enum_json) {
    const absl::StatusOr<Value> choice = Value::FromJson(allowed);
    if (choice.ok() && *choice == value) return std::nullopt;
  }
  const size_t shown = std::min<size_t>(param.enum_json.size(), 10);
  return fmt::format("must be one of {}{}",
                     fmt::join(param.enum_json.begin(),
                               param.enum_json.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     shown < param.enum_json.size() ? ", ..." : "");
}

std::vector<ParamSpec> ReadParams(Reader& reader, const Node& node) {
  std::vector<ParamSpec> params;
  if (!reader.ExpectMap(node) ||
      !reader.ExpectAtMost(node, node.size, reader.limits().max_params, "parameters")) {
    return params;
  }
  reader.tree().ForEachEntry(node, [&](const Node& name, const Node& value) {
    Reader::Scope scope(reader, name.text);
    params.push_back(ReadParam(reader, name, value));
  });
  std::sort(params.begin(), params.end(),
            [](const ParamSpec& a, const ParamSpec& b) { return a.name < b.name; });
  return params;
}

std::vector<KeyTable> ParamKeyTables() {
  return {{"param", "Keys of a parameter", DocsOf<ParamDraft>(kParamKeys), {}}};
}

absl::StatusOr<std::string> ResolveParams(const DagSpec& dag, std::string_view given_json,
                                          const Limits& limits) {
  if (given_json.size() > limits.max_params_json_bytes) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      fmt::format("the parameters have {} bytes, more than the limit of {}",
                                  given_json.size(), limits.max_params_json_bytes));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Value given,
                            Value::FromJson(given_json.empty() ? "{}" : given_json));
  if (given.type() != Value::Type::kObject) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, "the parameters must be a JSON object");
  }
  return Resolution(dag).Run(given.as_object());
}

}  // namespace penstock::dag
