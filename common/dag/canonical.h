#pragma once
// Parts of the canonical form that the reader of DAG files uses too.
#include <string>

#include "common/dag/spec.h"

namespace penstock::dag {

// The settings' part of the canonical form; "{}" for the built-in defaults. Equal settings give
// equal texts.
std::string SettingsJson(const TaskSettings& settings);

}  // namespace penstock::dag
