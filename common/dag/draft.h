#pragma once
// What the reader of DAG files collects before it knows the order of the tasks.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/dag/reader.h"
#include "common/dag/spec.h"

namespace penstock::dag {

// A text that holds ${{ }}.
struct TemplateUse {
  static constexpr uint32_t kDefaults = UINT32_MAX;
  uint32_t task = kDefaults;  // position among the drafts, or kDefaults
  const Node* node = nullptr;
  std::string path;
};

// One task, or the `defaults`. `spec.needs` and `spec.settings` are filled in later.
struct TaskDraft {
  TaskSpec spec;
  const TaskSettings* base = nullptr;  // what it inherits; outlives it
  std::unique_ptr<TaskSettings> own;   // set once something differs
  const Node* key = nullptr;
  const Node* needs = nullptr;
  std::string_view verb;  // "sh", "exec" or "noop"; "" = none yet
  std::vector<TemplateUse>* templates = nullptr;
  uint32_t position = TemplateUse::kDefaults;

  TaskSettings& Edit() {
    if (own == nullptr) own = std::make_unique<TaskSettings>(*base);
    return *own;
  }
  const TaskSettings& settings() const { return own == nullptr ? *base : *own; }
};

// The keys of a task. Those with `in_defaults` are the keys of `defaults`.
std::span<const Key<TaskDraft>> TaskKeys();
// Keys of later features, refused by name.
std::span<const std::string_view> LaterTaskKeys();

// Reads the parameters. Sorted by name.
std::vector<ParamSpec> ReadParams(Reader& reader, const Node& node);

// nullopt when `value` suits the declaration's type and enum; else what is wrong, starting with a
// verb ("must be ...").
std::optional<std::string> CheckParamValue(const ParamSpec& param, const Value& value);

// A documented map of the file.
struct KeyTable {
  std::string_view id;     // of the JSON Schema definition: "task"
  std::string_view title;  // "Keys of a task"
  std::vector<KeyDoc> keys;
  std::vector<std::string_view> required;
};
// All of them, the file itself ("dag") first.
std::vector<KeyTable> KeyTables();
// The parts that live beside the code which reads them.
std::vector<KeyTable> TaskKeyTables();
std::vector<KeyTable> ParamKeyTables();

template <typename T>
std::vector<KeyDoc> DocsOf(std::span<const Key<T>> keys) {
  std::vector<KeyDoc> docs;
  for (const Key<T>& key : keys) docs.push_back(key.doc);
  return docs;
}

}  // namespace penstock::dag
