#include "client/standalone/report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "common/base/clock.h"

namespace penstock::client {
namespace {

// On the pipe each line begins with its kind.
constexpr char kStep = 's';
constexpr char kFailed = 'f';
constexpr char kReady = 'r';  // a line of the final text
constexpr char kEnd = '.';    // the cluster is up

// The next line without its end; false at the end of the pipe.
bool ReadLine(int fd, std::string* line) {
  line->clear();
  char byte = 0;
  while (read(fd, &byte, 1) == 1) {
    if (byte == '\n') return true;
    *line += byte;
  }
  return false;
}

std::string Framed(char kind, const std::string& text) {
  std::string framed(1, kind);
  for (const char c : text) {
    framed += c;
    if (c == '\n') framed += kind;
  }
  return framed + "\n";
}

}  // namespace

void StreamReport::Step(const std::string& line) { out_ << line << std::endl; }

void StreamReport::Failed(const std::string& line) { err_ << line << std::endl; }

bool StreamReport::Ready(const std::string& text) {
  out_ << text << std::endl;
  return true;
}

void PipeReport::Step(const std::string& line) {
  Log(line);
  if (pipe_) process::WriteAll(pipe_.get(), Framed(kStep, line));
}

void PipeReport::Failed(const std::string& line) {
  Log(line);
  if (pipe_) process::WriteAll(pipe_.get(), Framed(kFailed, line));
}

bool PipeReport::Ready(const std::string& text) {
  Log("ready");
  const bool heard = process::WriteAll(pipe_.get(), Framed(kReady, text) + kEnd + "\n");
  pipe_.Reset();
  return heard;
}

void PipeReport::Log(const std::string& line) const {
  const std::string time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", RealClock().Wall(), absl::UTCTimeZone());
  process::WriteAll(STDOUT_FILENO, fmt::format("{} {}\n", time, line));
}

bool RelayReport(process::UniqueFd pipe, std::ostream& out, std::ostream& err) {
  std::string line;
  bool failed = false;
  while (ReadLine(pipe.get(), &line)) {
    if (line.empty()) continue;
    if (line[0] == kEnd) return true;
    failed = failed || line[0] == kFailed;
    (line[0] == kFailed ? err : out) << line.substr(1) << std::endl;
  }
  if (!failed) err << "the supervisor ended before the cluster was ready" << std::endl;
  return false;
}

}  // namespace penstock::client
