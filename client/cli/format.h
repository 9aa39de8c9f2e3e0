#pragma once
// What `-o` chooses: messages as JSON, JSON lines or YAML. The names are those of the .proto files
// and as stable as they are; 64-bit numbers are JSON strings, as protobuf's JSON mapping has them.
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/message.h"

namespace penstock::client {

enum class Format { kTable, kJson, kJsonl, kYaml };

// "table", "json", "jsonl", "yaml"; anything else is kTable.
Format ParseFormat(std::string_view name);

// One message, ending in a line break. Not for kTable.
std::string Render(const google::protobuf::Message& message, Format format);
// A list: a JSON array, one message per line, or a YAML sequence. Not for kTable.
std::string RenderList(const std::vector<const google::protobuf::Message*>& messages,
                       Format format);

// A JSON text as YAML. Strings are quoted wherever a YAML reader could take them for something
// else; object keys keep their order. `json` must be valid JSON.
std::string JsonToYaml(std::string_view json);

}  // namespace penstock::client
