#include "common/logstore/record_format.h"

#include <array>

#include "common/base/check.h"

namespace penstock::logstore {
namespace {

// Layout, little-endian: 0 checksum, 4 length, 8 offset, 16 at_us, 24 magic, 26 stream, 27 flags,
// 28..31 zero.
constexpr size_t kLengthAt = 4;
constexpr size_t kOffsetAt = 8;
constexpr size_t kTimeAt = 16;
constexpr size_t kMagicAt = 24;
constexpr size_t kStreamAt = 26;
constexpr size_t kFlagsAt = 27;
constexpr uint64_t kMagic = 0x7150;
constexpr uint8_t kEndFlag = 1;
constexpr uint8_t kTruncatedFlag = 2;

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
    table[i] = crc;
  }
  return table;
}

uint32_t Crc32(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = MakeCrcTable();
  uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes) {
    crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF] ^ (crc >> 8);
  }
  return ~crc;
}

void Put(uint64_t value, size_t width, char* out) {
  for (size_t i = 0; i < width; ++i) out[i] = static_cast<char>(value >> (8 * i) & 0xFF);
}

uint64_t Get(std::string_view bytes, size_t at, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) {
    value |= uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return value;
}

bool IsStream(uint64_t value) {
  return value >= static_cast<uint64_t>(LogStream::kStdout) &&
         value <= static_cast<uint64_t>(LogStream::kSystem);
}

}  // namespace

void AppendRecord(const RecordHeader& header, std::string_view content, std::string* out) {
  PENSTOCK_CHECK(content.size() <= kMaxRecordBytes, "records are split before");
  const size_t begin = out->size();
  std::array<char, kHeaderBytes> raw{};
  const int flags = (header.end ? kEndFlag : 0) | (header.truncated ? kTruncatedFlag : 0);
  Put(content.size(), 4, raw.data() + kLengthAt);
  Put(static_cast<uint64_t>(header.offset), 8, raw.data() + kOffsetAt);
  Put(static_cast<uint64_t>(header.at_us), 8, raw.data() + kTimeAt);
  Put(kMagic, 2, raw.data() + kMagicAt);
  Put(static_cast<uint64_t>(header.stream), 1, raw.data() + kStreamAt);
  Put(static_cast<uint64_t>(flags), 1, raw.data() + kFlagsAt);
  out->append(raw.data(), raw.size());
  out->append(content);
  Put(Crc32(std::string_view(*out).substr(begin + kLengthAt)), 4, out->data() + begin);
}

std::optional<RecordHeader> ParseHeader(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || Get(bytes, kMagicAt, 2) != kMagic) return std::nullopt;
  RecordHeader header;
  header.checksum = static_cast<uint32_t>(Get(bytes, 0, 4));
  header.length = static_cast<uint32_t>(Get(bytes, kLengthAt, 4));
  header.offset = static_cast<int64_t>(Get(bytes, kOffsetAt, 8));
  header.at_us = static_cast<int64_t>(Get(bytes, kTimeAt, 8));
  const uint64_t stream = Get(bytes, kStreamAt, 1);
  const uint64_t flags = Get(bytes, kFlagsAt, 1);
  if (header.length > kMaxRecordBytes || header.offset < 0 || !IsStream(stream)) {
    return std::nullopt;
  }
  header.stream = static_cast<LogStream>(stream);
  header.end = (flags & kEndFlag) != 0;
  header.truncated = (flags & kTruncatedFlag) != 0;
  return header;
}

bool MatchesChecksum(std::string_view record) {
  return record.size() >= kHeaderBytes && Get(record, 0, 4) == Crc32(record.substr(kLengthAt));
}

}  // namespace penstock::logstore
