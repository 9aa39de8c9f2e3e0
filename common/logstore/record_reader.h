#pragma once
// Reads the records of one open log file in order, up to the first that is torn or missing.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/logstore/record_format.h"

namespace penstock::logstore {

struct RecordView {
  RecordHeader header;
  std::string_view content;  // valid until the next call
};

// Not thread-safe. Does not own the descriptor. Reads ahead in blocks.
class RecordReader {
 public:
  // Starts at byte `position` of the file: 0 or what position() returned before.
  RecordReader(int fd, int64_t position) : fd_(fd), position_(position) {}

  // The next record; empty where the file ends, in the middle of a record or not. UNAVAILABLE if
  // the file cannot be read.
  absl::StatusOr<std::optional<RecordView>> Next();
  // Where the record after the last returned one begins.
  int64_t position() const { return position_; }

 private:
  absl::StatusOr<bool> Fill(size_t bytes);

  const int fd_;
  int64_t position_;
  std::string buffer_;   // what was read ahead, from position_ - consumed_ on
  size_t consumed_ = 0;  // bytes of buffer_ that lie before position_
};

}  // namespace penstock::logstore
