// What editors and people are told about the DAG file, from the tables that the reader uses.
#include <fmt/format.h>

#include "common/dag/draft.h"
#include "common/dag/json_text.h"

namespace penstock::dag {
namespace {

// Definitions that the keys refer to and that are no maps with keys of their own.
struct SharedSchema {
  std::string_view id;
  std::string_view json;
};
constexpr SharedSchema kShared[] = {
    {"duration", R"({"type":["string","integer"],"pattern":)"
                 R"("^(0|(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$"})"},
    {"env", R"({"type":"object","propertyNames":{"$ref":"#/$defs/name"},)"
            R"("additionalProperties":{"$ref":"#/$defs/scalar"}})"},
    {"id", R"({"type":"string","maxLength":200,"pattern":)"
           R"("^(?!.*\\.\\.)[A-Za-z_][A-Za-z0-9_.-]*$"})"},
    {"labels", R"({"type":"object","additionalProperties":{"$ref":"#/$defs/scalar"}})"},
    {"name", R"({"type":"string","maxLength":200,"pattern":"^[A-Za-z_][A-Za-z0-9_]*$"})"},
    {"scalar", R"({"type":["string","number","boolean"]})"},
};

void WriteTable(const KeyTable& table, ObjectWriter& out) {
  out.Raw("additionalProperties", "false");
  if (table.id == "task") {
    out.Raw("oneOf", R"([{"required":["sh"]},{"required":["exec"]},{"required":["noop"]}])");
  }
  {
    ObjectWriter properties(out.Key("properties"));
    for (const KeyDoc& key : table.keys) {
      ObjectWriter property(properties.Key(key.name));
      ListWriter all(property.Key("allOf"));
      all.Next()->append(key.schema);
      ObjectWriter about(all.Next());
      about.Text("description", key.about);
    }
  }
  if (!table.required.empty()) {
    ListWriter required(out.Key("required"));
    for (std::string_view name : table.required) AppendQuoted(required.Next(), name);
  }
  out.Text("type", "object");
}

void WriteTriggerRules(ObjectWriter& definitions) {
  ObjectWriter rule(definitions.Key("trigger_rule"));
  ListWriter names(rule.Key("enum"));
  for (std::string_view name : TriggerRuleNames()) AppendQuoted(names.Next(), name);
}

}  // namespace

std::string JsonSchema() {
  std::string text;
  {
    const std::vector<KeyTable> tables = KeyTables();
    ObjectWriter out(&text);
    {
      ObjectWriter definitions(out.Key("$defs"));
      for (const SharedSchema& shared : kShared) definitions.Raw(shared.id, shared.json);
      WriteTriggerRules(definitions);
      for (size_t i = 1; i < tables.size(); ++i) {
        ObjectWriter definition(definitions.Key(tables[i].id));
        WriteTable(tables[i], definition);
      }
    }
    out.Text("$schema", "https://json-schema.org/draft/2020-12/schema");
    out.Text("title", "Penstock DAG file");
    WriteTable(tables[0], out);
  }
  return text;
}

std::string DescribeKeys() {
  std::string out;
  for (const KeyTable& table : KeyTables()) {
    out +=
        fmt::format("{}### {}\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n",
                    out.empty() ? "" : "\n", table.title);
    for (const KeyDoc& key : table.keys) {
      const std::string fallback = key.fallback.empty() ? "" : fmt::format("`{}`", key.fallback);
      out += fmt::format("| `{}` | {} | {} | {} |\n", key.name, key.type, fallback, key.about);
    }
  }
  return out;
}

}  // namespace penstock::dag
