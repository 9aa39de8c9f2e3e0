#include "common/logstore/record_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/status_macros.h"
#include "common/logstore/io_error.h"

namespace penstock::logstore {
namespace {

constexpr size_t kBlockBytes = 256 << 10;

}  // namespace

absl::StatusOr<std::optional<RecordView>> RecordReader::Next() {
  PENSTOCK_ASSIGN_OR_RETURN(bool whole, Fill(kHeaderBytes));
  if (!whole) return std::nullopt;
  const auto header = ParseHeader(std::string_view(buffer_).substr(consumed_));
  if (!header.has_value()) return std::nullopt;
  const size_t size = kHeaderBytes + header->length;
  PENSTOCK_ASSIGN_OR_RETURN(whole, Fill(size));
  if (!whole) return std::nullopt;
  const std::string_view record = std::string_view(buffer_).substr(consumed_, size);
  if (!MatchesChecksum(record)) return std::nullopt;
  consumed_ += size;
  position_ += static_cast<int64_t>(size);
  return RecordView{*header, record.substr(kHeaderBytes)};
}

// Has `bytes` unconsumed bytes in the buffer, or returns false at the end of the file.
absl::StatusOr<bool> RecordReader::Fill(size_t bytes) {
  if (buffer_.size() - consumed_ >= bytes) return true;
  buffer_.erase(0, consumed_);
  consumed_ = 0;
  while (buffer_.size() < bytes) {
    const size_t have = buffer_.size();
    buffer_.resize(have + std::max(kBlockBytes, bytes - have));
    const ssize_t got = pread(fd_, buffer_.data() + have, buffer_.size() - have,
                              position_ + static_cast<int64_t>(have));
    const int error = errno;
    buffer_.resize(have + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && error != EINTR) return IoError("read", error);
    if (got == 0) return false;
  }
  return true;
}

}  // namespace penstock::logstore
