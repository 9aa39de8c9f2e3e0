#include "common/rpc/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/cord.h"
#include "common/base/status.h"
#include "common/testing/status_matchers.h"

namespace penstock::rpc {
namespace {

using testing::IsOk;
using testing::StatusIs;

TEST(StatusTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_THAT(FromGrpc(grpc::Status::OK), IsOk());
}

TEST(StatusTest, EveryCodeComesBack) {
  for (int code = 1; code <= 16; ++code) {
    const auto status = MakeStatus(static_cast<absl::StatusCode>(code), "why");
    EXPECT_EQ(static_cast<int>(ToGrpc(status).error_code()), code);
    EXPECT_EQ(FromGrpc(ToGrpc(status)), status);
  }
}

TEST(StatusTest, PayloadsAndRetryHintsTravel) {
  absl::Status status = MakeStatus(absl::StatusCode::kResourceExhausted, "busy");
  status.SetPayload("type.googleapis.com/x.Problem", absl::Cord("bytes\0here"));
  SetRetryAfter(&status, absl::Milliseconds(1250));
  const absl::Status back = FromGrpc(ToGrpc(status));
  EXPECT_EQ(back, status);
  EXPECT_EQ(RetryAfter(back), absl::Milliseconds(1250));
  EXPECT_EQ(RetryAfter(MakeStatus(absl::StatusCode::kAborted, "")), std::nullopt);
}

TEST(StatusTest, LongTextsAreCutBetweenCharacters) {
  std::string text(4095, 'a');
  text += "\xC3\xA9 and more";
  const std::string sent = ToGrpc(MakeStatus(absl::StatusCode::kInternal, text)).error_message();
  EXPECT_EQ(sent, std::string(4095, 'a'));
}

TEST(StatusTest, LargeDetailsAreLeftOut) {
  absl::Status status = MakeStatus(absl::StatusCode::kInternal, "text");
  status.SetPayload("x", absl::Cord(std::string(100'000, 'a')));
  EXPECT_EQ(ToGrpc(status).error_details(), "");
}

TEST(StatusTest, BrokenDetailsDoNoHarm) {
  const grpc::Status status(grpc::StatusCode::NOT_FOUND, "gone", "\xFF\xFF garbage");
  EXPECT_THAT(FromGrpc(status), StatusIs(absl::StatusCode::kNotFound, "gone"));
}

}  // namespace
}  // namespace penstock::rpc
