#include "client/cli/log_printer.h"

#include <string_view>

#include "client/cli/text.h"

namespace penstock::client {
namespace {

constexpr size_t kLongestLine = 64 << 10;  // longer ones are printed in pieces

std::string_view WithoutLineEnd(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return text;
}

}  // namespace

LogPrinter::LogPrinter(Session& session)
    : session_(session), raw_(!session.env().out_is_terminal) {}

void LogPrinter::Print(const v1::LogRecord& record) {
  if (session_.format() != Format::kTable) {
    const bool yaml = session_.format() == Format::kYaml;
    session_.out() << (yaml ? "---\n" : "") << Render(record, yaml ? Format::kYaml : Format::kJsonl)
                   << std::flush;
    return;
  }
  if (record.stream() == v1::LOG_STREAM_SYSTEM) {
    session_.Note(WithoutLineEnd(record.data()));
  } else {
    PrintData(record.data());
  }
  if (record.truncated()) session_.Note("output beyond the limit was dropped here");
  if (record.incomplete()) session_.Note("the worker died before it had sent the rest");
}

void LogPrinter::Finish() {
  PrintLines(partial_.size());
  if (colored_) session_.out() << "\x1b[0m" << std::flush;
}

void LogPrinter::PrintData(const std::string& data) {
  if (raw_) {
    session_.out() << data << std::flush;
    return;
  }
  partial_ += data;
  const size_t end = partial_.rfind('\n');
  if (end != std::string::npos) {
    PrintLines(end + 1);
  } else if (partial_.size() > kLongestLine) {
    PrintLines(partial_.size());
  }
}

void LogPrinter::PrintLines(size_t bytes) {
  if (bytes == 0) return;
  const std::string safe =
      PrintableLog(std::string_view(partial_).substr(0, bytes), session_.color());
  colored_ = colored_ || safe.find('\x1b') != std::string::npos;
  session_.out() << safe << std::flush;
  partial_.erase(0, bytes);
}

}  // namespace penstock::client
