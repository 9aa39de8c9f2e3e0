#include "client/cli/format.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "client/cli/yaml.h"

namespace penstock::client {
namespace {

std::string ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = pretty;
  std::string json;
  // Fails only for Any fields of unknown types; the API has none.
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  while (!json.empty() && json.back() == '\n') json.pop_back();
  return json;
}

}  // namespace

Format ParseFormat(std::string_view name) {
  if (name == "json") return Format::kJson;
  if (name == "jsonl") return Format::kJsonl;
  if (name == "yaml") return Format::kYaml;
  return Format::kTable;
}

std::string Render(const google::protobuf::Message& message, Format format) {
  const std::string json = ToJson(message, format == Format::kJson);
  return format == Format::kYaml ? JsonToYaml(json) : json + "\n";
}

std::string RenderList(const std::vector<const google::protobuf::Message*>& messages,
                       Format format) {
  std::string out;
  for (const auto* message : messages) {
    if (format == Format::kJsonl) {
      out += ToJson(*message, false) + "\n";
    } else {
      out += (out.empty() ? "[\n" : ",\n") + ToJson(*message, format == Format::kJson);
    }
  }
  if (format == Format::kJsonl) return out;
  out = out.empty() ? "[]\n" : out + "\n]\n";
  return format == Format::kYaml ? JsonToYaml(out) : out;
}

std::string JsonToYaml(std::string_view json) {
  return ToYaml(nlohmann::ordered_json::parse(json, nullptr, /*allow_exceptions=*/false));
}

}  // namespace penstock::client
