#pragma once
// Bytes as a message, without libprotobuf's lines about each text that is not UTF-8.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>

namespace penstock::fuzz {

template <typename Message>
bool ParseMessage(const uint8_t* data, size_t size, Message* message) {
  static const bool quiet = (google::protobuf::SetLogHandler(nullptr), true);
  return quiet && message->ParseFromArray(data, static_cast<int>(size));
}

}  // namespace penstock::fuzz
