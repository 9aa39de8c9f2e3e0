#pragma once
// How records lie in a log file: a header of fixed size with a checksum, then the bytes. Pure.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/logstore/log_store.h"

namespace penstock::logstore {

inline constexpr size_t kHeaderBytes = 32;
inline constexpr size_t kMaxRecordBytes =
    1 << 20;  // of one record's content; longer chunks are split

struct RecordHeader {
  uint32_t checksum = 0;  // CRC-32 of the rest of the header and the content
  uint32_t length = 0;    // of the content
  int64_t offset = 0;     // of the content in the attempt's output
  int64_t at_us = 0;      // since the Unix epoch
  LogStream stream = LogStream::kStdout;
  bool end = false;
  bool truncated = false;
};

// Appends one record to `out` (its checksum is computed here). `content` is at most
// kMaxRecordBytes.
void AppendRecord(const RecordHeader& header, std::string_view content, std::string* out);

// Reads a header from the first kHeaderBytes of `bytes`. Empty if they cannot be one: too few, an
// impossible length, offset or stream. Whether the content is whole, MatchesChecksum tells.
std::optional<RecordHeader> ParseHeader(std::string_view bytes);

// `record` = header and content as they lie in the file.
bool MatchesChecksum(std::string_view record);

}  // namespace penstock::logstore
