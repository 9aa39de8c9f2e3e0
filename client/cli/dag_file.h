#pragma once
// DAG files on the user's disk: checked here, before anything is sent.
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/session.h"
#include "common/dag/spec.h"
#include "penstock/v1/control.pb.h"

namespace penstock::client {

struct DagFile {
  std::string name;    // as given; "<stdin>" for "-"
  std::string folder;  // what `files:` patterns are relative to
  std::string text;
  dag::ParseResult parsed;
};

// Reads and checks `name` ("-" = standard input). Fails only when it cannot be read or is larger
// than a DAG file may be; problems of its content are in `parsed`.
absl::StatusOr<DagFile> ReadDagFile(const std::string& name, std::istream& in);

// "name:line:col: message (suggestion)", one per line, safe for a terminal.
void PrintProblems(const std::vector<dag::Problem>& problems, std::string_view name,
                   std::ostream& out);
std::vector<dag::Problem> FromProto(const std::vector<v1::Problem>& problems);
v1::Problem ToProto(const dag::Problem& problem);

// A small, commented, valid DAG file. `name` must be a DAG id.
std::string DagTemplate(std::string_view name);

// Everything that is in force for the DAG, defaults included, as YAML with the keys of a DAG file.
std::string EffectiveYaml(const dag::DagSpec& dag);
// The same as JSON text.
std::string EffectiveJson(const dag::DagSpec& dag);

}  // namespace penstock::client
