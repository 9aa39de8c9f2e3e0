#include "common/obs/log_format.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <type_traits>

#include "common/obs/utf8.h"

namespace penstock::obs {
namespace {

constexpr size_t kMaxValueBytes = 16 << 10;  // longer texts are cut

std::string_view LevelName(LogLevel level, bool padded) {
  switch (level) {
    case LogLevel::kDebug:
      return padded ? "DEBUG" : "debug";
    case LogLevel::kInfo:
      return padded ? "INFO " : "info";
    case LogLevel::kWarning:
      return padded ? "WARN " : "warning";
    case LogLevel::kError:
      return padded ? "ERROR" : "error";
  }
  return "";
}

std::string Timestamp(absl::Time at) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", at, absl::UTCTimeZone());
}

void AppendEscape(char32_t c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<uint32_t>(c));
  }
}

// Control characters, those of C1 included, and the two line separators that viewers may break at.
bool IsControl(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
}

void AppendEscaped(std::string_view text, std::string* out) {
  const bool cut = text.size() > kMaxValueBytes;
  ForEachCodePoint(text.substr(0, kMaxValueBytes), [out](char32_t c, std::string_view bytes) {
    if (c == '"' || c == '\\' || IsControl(c)) {
      AppendEscape(c, out);
    } else {
      out->append(bytes);
    }
  });
  if (cut) fmt::format_to(std::back_inserter(*out), "...(cut, {} bytes in all)", text.size());
}

bool IsPlain(std::string_view text) {
  bool plain = !text.empty();
  ForEachCodePoint(text, [&plain](char32_t c, std::string_view) {
    plain = plain && c != ' ' && c != '"' && c != '\\' && c != '=' && c != kReplacement &&
            !IsControl(c);
  });
  return plain;
}

void AppendJsonString(std::string_view text, std::string* out) {
  *out += '"';
  AppendEscaped(text, out);
  *out += '"';
}

void AppendTextValue(std::string_view text, std::string* out) {
  if (IsPlain(text) && text.size() <= kMaxValueBytes) {
    out->append(text);
  } else {
    AppendJsonString(text, out);
  }
}

void AppendJsonMember(std::string_view key, std::string_view value, std::string* out) {
  *out += ',';
  AppendJsonString(key, out);
  *out += ':';
  AppendJsonString(value, out);
}

template <typename AppendString>
void AppendValue(const LogField& field, const AppendString& append_string, std::string* out) {
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_convertible_v<T, std::string_view>) {
          append_string(std::string_view(value), out);
        } else if constexpr (std::is_same_v<T, double>) {
          *out += std::isfinite(value) ? fmt::format("{:.9g}", value) : "null";
        } else {
          fmt::format_to(std::back_inserter(*out), "{}", value);
        }
      },
      field.value());
}

}  // namespace

std::string FormatText(const LogEntry& entry) {
  std::string line = fmt::format("{} {} ", Timestamp(entry.at), LevelName(entry.level, true));
  if (!entry.role.empty() || !entry.node.empty()) {
    AppendEscaped(entry.role, &line);
    if (!entry.node.empty()) line += '/';
    AppendEscaped(entry.node, &line);
    line += ' ';
  }
  AppendEscaped(entry.message, &line);
  for (const LogField& field : entry.fields) {
    line += ' ';
    AppendTextValue(field.key(), &line);
    line += '=';
    AppendValue(field, AppendTextValue, &line);
  }
  return line;
}

std::string FormatJson(const LogEntry& entry) {
  std::string line = fmt::format(R"({{"time":"{}","level":"{}")", Timestamp(entry.at),
                                 LevelName(entry.level, false));
  if (!entry.role.empty()) AppendJsonMember("role", entry.role, &line);
  if (!entry.node.empty()) AppendJsonMember("node", entry.node, &line);
  AppendJsonMember("message", entry.message, &line);
  for (const LogField& field : entry.fields) {
    line += ',';
    AppendJsonString(field.key(), &line);
    line += ':';
    AppendValue(field, AppendJsonString, &line);
  }
  line += '}';
  return line;
}

}  // namespace penstock::obs
