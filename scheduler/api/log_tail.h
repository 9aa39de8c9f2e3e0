#pragma once
// The last bytes of a log, beginning with a whole line.
#include <cstdint>
#include <deque>
#include <vector>

#include "common/logstore/log_store.h"

namespace penstock::api {

// Not thread-safe. Holds about `bytes`.
class LogTail {
 public:
  explicit LogTail(int64_t bytes) : bytes_(bytes) {}
  void Add(std::vector<logstore::LogRecord> records);
  // What was kept. The first line is left out when its begin was dropped, unless it is all there
  // is.
  std::deque<logstore::LogRecord> Take();

 private:
  const int64_t bytes_;
  int64_t kept_ = 0;
  bool dropped_ = false;
  std::deque<logstore::LogRecord> records_;
};

}  // namespace penstock::api
