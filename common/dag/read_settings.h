#pragma once
// The keys of a task that fill in its settings. Each reports what is wrong and else sets its part.
#include <vector>

#include "common/dag/draft.h"

namespace penstock::dag {

void ReadShell(Reader& reader, const Node& value, TaskSettings& settings);
void ReadQueue(Reader& reader, const Node& value, TaskSettings& settings);
void ReadPool(Reader& reader, const Node& value, TaskSettings& settings);
void ReadWeightRule(Reader& reader, const Node& value, TaskSettings& settings);
void ReadRetries(Reader& reader, const Node& value, TaskSettings& settings);
void ReadTimeout(Reader& reader, const Node& value, TaskSettings& settings);
void ReadResources(Reader& reader, const Node& value, TaskSettings& settings);
void ReadSkipExitCode(Reader& reader, const Node& value, TaskSettings& settings);

// The maps under these keys.
std::vector<KeyTable> SettingsKeyTables();

}  // namespace penstock::dag
