#pragma once
// What a start tells the user, from this process or from the one that was left behind.
#include <ostream>
#include <string>

#include "common/process/unique_fd.h"

namespace penstock::client {

// Receives the messages of one start. Not thread-safe.
class Report {
 public:
  virtual ~Report() = default;
  virtual void Step(const std::string& line) = 0;
  virtual void Failed(const std::string& line) = 0;
  // The cluster is up; `text` may have several lines. False: nobody waits for it any more.
  virtual bool Ready(const std::string& text) = 0;
};

// For the foreground: to `out` and `err`, which outlive it.
class StreamReport : public Report {
 public:
  StreamReport(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}
  void Step(const std::string& line) override;
  void Failed(const std::string& line) override;
  bool Ready(const std::string& text) override;

 private:
  std::ostream& out_;
  std::ostream& err_;
};

// For a process that was left behind: to the starter through a pipe until it is ready, and with
// the time to standard output, its log.
class PipeReport : public Report {
 public:
  explicit PipeReport(process::UniqueFd pipe) : pipe_(std::move(pipe)) {}
  void Step(const std::string& line) override;
  void Failed(const std::string& line) override;
  bool Ready(const std::string& text) override;

 private:
  void Log(const std::string& line) const;
  process::UniqueFd pipe_;
};

// The other end: passes on what comes until the cluster is ready (true) or the start has failed.
bool RelayReport(process::UniqueFd pipe, std::ostream& out, std::ostream& err);

}  // namespace penstock::client
