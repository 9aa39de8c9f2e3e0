#include "common/dag/read_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

constexpr std::array<std::string_view, 3> kWeightRules = {"downstream", "upstream", "absolute"};

struct PoolDraft {
  std::string name;
  int32_t slots = 1;
};

constexpr std::array<Key<PoolDraft>, 2> kPoolKeys = {{
    {{"name", "name", "", "The pool.", R"({"$ref":"#/$defs/id"})"},
     [](Reader& reader, const Node& value, PoolDraft& pool) {
       pool.name = reader.Id(value, "a pool's name").value_or("?");
     }},
    {{"slots", "integer", "1", "How many of its slots an attempt takes, at least 1.",
      R"({"type":"integer","minimum":1})"},
     [](Reader& reader, const Node& value, PoolDraft& pool) {
       pool.slots = reader.Int(value, 1, reader.limits().max_pool_slots).value_or(1);
     }},
}};

struct RetriesDraft {
  Retries retries;
  bool has_max = false;
  const Node* delay = nullptr;
  const Node* backoff = nullptr;
  const Node* multiplier = nullptr;
  const Node* jitter = nullptr;
};

void ReadRetriesMax(Reader& reader, const Node& value, RetriesDraft& draft) {
  draft.has_max = true;
  draft.retries.max = reader.Int(value, 0, reader.limits().max_retries).value_or(0);
}

void ReadDelay(Reader& reader, const Node& value, RetriesDraft& draft) {
  draft.delay = &value;
  const auto delay = reader.Duration(value);
  if (delay) draft.retries.initial = draft.retries.ceiling = *delay;
}

void ReadBackoff(Reader& reader, const Node& value, RetriesDraft& draft) {
  draft.backoff = &value;
  const auto text = reader.Text(value, reader.limits().max_id_bytes);
  if (!text) return;
  const size_t dots = text->find("..");
  const bool range = dots != std::string_view::npos;
  const auto initial = ParseDuration(text->substr(0, dots));
  const auto ceiling = range ? ParseDuration(text->substr(dots + 2)) : std::nullopt;
  const bool ordered =
      initial && ceiling && *initial > absl::ZeroDuration() && *initial <= *ceiling;
  const bool short_enough =
      ordered && absl::ToInt64Milliseconds(*ceiling) <= reader.limits().max_duration_ms;
  if (!short_enough) {
    reader.Fail(value, fmt::format("\"{}\" is not a back-off: write the first delay and the "
                                   "longest, as in 10s..10m",
                                   ShownText(*text)));
    return;
  }
  draft.retries.initial = *initial;
  draft.retries.ceiling = *ceiling;
}

constexpr std::array<Key<RetriesDraft>, 5> kRetriesKeys = {{
    {{"max", "integer", "", "How often it is tried again, 0 to 1000.",
      R"({"type":"integer","minimum":0,"maximum":1000})"},
     ReadRetriesMax},
    {{"delay", "duration", "10s", "A fixed delay before each retry.",
      R"({"$ref":"#/$defs/duration"})"},
     ReadDelay},
    {{"backoff", "two durations", "",
      "Instead of `delay`: the first delay and the longest, `10s..10m`, growing by `multiplier`.",
      R"({"type":"string","pattern":"^[0-9a-z]+\\.\\.[0-9a-z]+$"})"},
     ReadBackoff},
    {{"multiplier", "number", "2", "With `backoff`: how a delay grows to the next, 1 to 100.",
      R"({"type":"number","minimum":1,"maximum":100})"},
     [](Reader& reader, const Node& value, RetriesDraft& draft) {
       draft.multiplier = &value;
       draft.retries.multiplier = reader.Number(value, 1, 100).value_or(2);
     }},
    {{"jitter", "boolean", "true",
      "With `backoff`: up to twice the delay, drawn by instance and attempt.",
      R"({"type":"boolean"})"},
     [](Reader& reader, const Node& value, RetriesDraft& draft) {
       draft.jitter = &value;
       draft.retries.jitter = reader.Bool(value).value_or(true);
     }},
}};

void CheckRetries(Reader& reader, const Node& value, const RetriesDraft& draft) {
  if (!draft.has_max) reader.Fail(value, "\"max\" is missing");
  if (draft.backoff != nullptr) {
    if (draft.delay != nullptr)
      reader.Fail(*draft.delay, "\"delay\" and \"backoff\" exclude each other");
    return;
  }
  if (draft.multiplier != nullptr)
    reader.Fail(*draft.multiplier, "\"multiplier\" needs \"backoff\"");
  if (draft.jitter != nullptr) reader.Fail(*draft.jitter, "\"jitter\" needs \"backoff\"");
}

void ReadCpu(Reader& reader, const Node& value, Resources& resources) {
  const auto text = reader.Written(value, reader.limits().max_id_bytes);
  if (!text) return;
  const auto millis = ParseCpu(*text);
  if (millis) resources.cpu_millis = *millis;
  if (!millis) {
    reader.Fail(value, fmt::format("\"{}\" is not a number of cores: write 2, 0.5 or 500m",
                                   ShownText(*text)));
  }
}

void ReadMemory(Reader& reader, const Node& value, Resources& resources) {
  const auto text = reader.Written(value, reader.limits().max_id_bytes);
  if (!text) return;
  const auto bytes = ParseSize(*text);
  if (bytes) resources.memory_bytes = *bytes;
  if (!bytes) {
    reader.Fail(value, fmt::format("\"{}\" is not a size: write 512Mi, 2Gi or a number of bytes",
                                   ShownText(*text)));
  }
}

void ReadCustom(Reader& reader, const Node& value, Resources& resources) {
  if (!reader.ExpectMap(value)) return;
  const size_t max = reader.limits().max_custom_resources;
  if (!reader.ExpectAtMost(value, value.size, max, "resources")) return;
  reader.tree().ForEachEntry(value, [&](const Node& key, const Node& amount) {
    Reader::Scope scope(reader, key.text);
    if (!IsLabelKey(key.text) || key.text.size() > reader.limits().max_id_bytes) {
      reader.Fail(key, "a resource's name is a letter or digit, then letters, digits and _ . - /");
    }
    const auto count = reader.Int(amount, 1, std::numeric_limits<int32_t>::max());
    if (count) resources.custom[std::string(key.text)] = *count;
  });
  reader.ExpectAtMost(value, resources.custom.size(), max, "resources with the defaults");
}

constexpr std::array<Key<Resources>, 3> kResourceKeys = {{
    {{"cpu", "number of cores", "0", "`2`, `0.5` or `500m`; 0 asks for nothing.",
      R"({"type":["number","string"]})"},
     ReadCpu},
    {{"memory", "size", "0", "`512Mi`, `2Gi`, `1G` or bytes; 0 asks for nothing.",
      R"({"type":["integer","string"]})"},
     ReadMemory},
    {{"custom", "map of integers", "{}", "Resources the workers declare, as `{gpu: 1}`.",
      R"({"type":"object","additionalProperties":{"type":"integer","minimum":1}})"},
     ReadCustom},
}};

}  // namespace

void ReadShell(Reader& reader, const Node& value, TaskSettings& settings) {
  const auto text = reader.Text(value, reader.limits().max_description_bytes);
  if (!text) return;
  if (text->find_first_not_of(" \t\n") == std::string_view::npos) {
    reader.Fail(value, "the shell is empty");
  }
  if (text->find("${{") != std::string_view::npos) {
    reader.Fail(value, "${{ }} is allowed in sh, exec and env only");
  }
  settings.shell = *text;
}

void ReadQueue(Reader& reader, const Node& value, TaskSettings& settings) {
  if (const auto name = reader.Id(value, "a queue's name")) settings.queue = *name;
}

void ReadPool(Reader& reader, const Node& value, TaskSettings& settings) {
  PoolDraft pool;
  if (value.kind == NodeKind::kNull) {
    // Leaves the pool of `defaults`.
  } else if (value.kind == NodeKind::kMap) {
    ReadKeys<PoolDraft>(reader, value, kPoolKeys, {}, pool);
    if (pool.name.empty()) reader.Fail(value, "\"name\" is missing");
  } else {
    pool.name = reader.Id(value, "a pool's name").value_or("");
  }
  settings.pool = std::move(pool.name);
  settings.pool_slots = pool.slots;
}

void ReadWeightRule(Reader& reader, const Node& value, TaskSettings& settings) {
  const auto rule = reader.Choice(value, kWeightRules, "a weight rule");
  if (rule) settings.weight_rule = static_cast<WeightRule>(*rule);
}

void ReadRetries(Reader& reader, const Node& value, TaskSettings& settings) {
  RetriesDraft draft;
  if (value.kind != NodeKind::kMap) {
    if (value.kind != NodeKind::kInt) {
      reader.Fail(value,
                  fmt::format("expected an integer or a map, found {}", Article(value.kind)));
      return;
    }
    ReadRetriesMax(reader, value, draft);
  } else {
    draft.retries.jitter = true;
    ReadKeys<RetriesDraft>(reader, value, kRetriesKeys, {}, draft);
    if (draft.backoff == nullptr) draft.retries.jitter = false;
    CheckRetries(reader, value, draft);
  }
  settings.retries = draft.retries;
}

void ReadTimeout(Reader& reader, const Node& value, TaskSettings& settings) {
  if (const auto timeout = reader.Duration(value)) settings.timeout = *timeout;
}

void ReadResources(Reader& reader, const Node& value, TaskSettings& settings) {
  if (!reader.ExpectMap(value)) return;
  ReadKeys<Resources>(reader, value, kResourceKeys, {}, settings.resources);
}

void ReadSkipExitCode(Reader& reader, const Node& value, TaskSettings& settings) {
  if (const auto code = reader.Int(value, 0, 255)) settings.skip_exit_code = *code;
}

std::vector<KeyTable> SettingsKeyTables() {
  std::vector<KeyTable> tables;
  tables.push_back({"pool", "Keys of `pool`", DocsOf<PoolDraft>(kPoolKeys), {"name"}});
  tables.push_back({"retries", "Keys of `retries`", DocsOf<RetriesDraft>(kRetriesKeys), {"max"}});
  tables.push_back({"resources", "Keys of `resources`", DocsOf<Resources>(kResourceKeys), {}});
  return tables;
}

}  // namespace penstock::dag
