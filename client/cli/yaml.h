#pragma once
// JSON values written as YAML. Pure.
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace penstock::client {

// Block style, keys in their order, ending in a line break. Strings are quoted wherever a YAML
// reader (1.1 or 1.2) could take them for something else; texts of several lines become literal
// blocks where that is possible.
std::string ToYaml(const nlohmann::ordered_json& value);

}  // namespace penstock::client
