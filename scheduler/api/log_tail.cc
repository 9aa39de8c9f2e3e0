#include "scheduler/api/log_tail.h"

#include <string>
#include <utility>

namespace penstock::api {
namespace {

int64_t Size(const logstore::LogRecord& record) {
  return static_cast<int64_t>(record.bytes.size());
}

void CutFront(logstore::LogRecord* record, size_t bytes) {
  record->bytes.erase(0, bytes);
  record->offset += static_cast<int64_t>(bytes);
}

}  // namespace

void LogTail::Add(std::vector<logstore::LogRecord> records) {
  for (logstore::LogRecord& record : records) {
    if (records_.empty() && record.offset > 0) dropped_ = true;
    kept_ += Size(record);
    records_.push_back(std::move(record));
  }
  while (!records_.empty() && kept_ - Size(records_.front()) >= bytes_) {
    kept_ -= Size(records_.front());
    records_.pop_front();
    dropped_ = true;
  }
}

std::deque<logstore::LogRecord> LogTail::Take() {
  if (kept_ > bytes_) {
    CutFront(&records_.front(), static_cast<size_t>(kept_ - bytes_));
    dropped_ = true;
  }
  if (!dropped_) return std::move(records_);
  // The begin of the first whole line; a line may run through several records.
  for (size_t i = 0; i < records_.size(); ++i) {
    const size_t line_end = records_[i].bytes.find('\n');
    const bool last = i + 1 == records_.size();
    if (line_end == std::string::npos || (last && line_end + 1 == records_[i].bytes.size())) {
      continue;
    }
    CutFront(&records_[i], line_end + 1);
    records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(i));
    if (records_.front().bytes.empty()) records_.pop_front();
    break;
  }
  return std::move(records_);
}

}  // namespace penstock::api
