#pragma once
// Prints log records as they come.
#include <string>

#include "client/cli/session.h"
#include "penstock/v1/control.pb.h"

namespace penstock::client {

// The task's own bytes go to stdout: raw where that is no terminal; else by whole lines, safe, with
// colours kept if the session has colours. Penstock's remarks (its own stream, truncations, what is
// missing) go to stderr. With `-o json|jsonl|yaml` each record is printed as one message.
class LogPrinter {
 public:
  explicit LogPrinter(Session& session);
  void Print(const v1::LogRecord& record);
  // Prints what has no line end yet and resets colours. Once, last.
  void Finish();

 private:
  void PrintData(const std::string& data);
  void PrintLines(size_t bytes);

  Session& session_;
  const bool raw_;
  std::string partial_;   // the beginning of a line, on a terminal
  bool colored_ = false;  // the task has changed the terminal's colours
};

}  // namespace penstock::client
