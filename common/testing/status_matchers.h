#pragma once
// gMock matchers for absl::Status and absl::StatusOr (GoogleTest 1.12 has none).
//
//   EXPECT_THAT(Parse("1"), IsOkAndHolds(1));
//   EXPECT_THAT(Parse("x"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("x")));
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/status.h"

namespace penstock::testing {

inline absl::Status AsStatus(const absl::Status& status) { return status; }
template <typename T>
absl::Status AsStatus(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  const absl::Status& status = AsStatus(arg);
  *result_listener << status.ToString();
  return status.ok();
}

// OK, with a value that `inner` (a matcher or a value) matches.
MATCHER_P(IsOkAndHolds, inner, "is OK and holds a value that matches") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  using Value = std::decay_t<decltype(*arg)>;
  return ::testing::ExplainMatchResult(::testing::SafeMatcherCast<const Value&>(inner), *arg,
                                       result_listener);
}

MATCHER_P2(StatusIs, code, text, "has the code and a text that matches") {
  const absl::Status& status = AsStatus(arg);
  *result_listener << status.ToString() << " ";
  return status.code() == code &&
         ::testing::ExplainMatchResult(text, std::string(Message(status)), result_listener);
}

inline auto StatusIs(absl::StatusCode code) { return StatusIs(code, ::testing::_); }

}  // namespace penstock::testing

// Unwraps a StatusOr in a test, which fails and returns if it holds an error.
#define PENSTOCK_ASSERT_OK_AND_ASSIGN(lhs, expr) \
  PENSTOCK_ASSERT_OK_AND_ASSIGN_IMPL(PENSTOCK_TEST_CONCAT(result_, __LINE__), lhs, expr)
#define PENSTOCK_TEST_CONCAT(a, b) PENSTOCK_TEST_CONCAT_INNER(a, b)
#define PENSTOCK_TEST_CONCAT_INNER(a, b) a##b
#define PENSTOCK_ASSERT_OK_AND_ASSIGN_IMPL(var, lhs, expr) \
  auto var = (expr);                                       \
  ASSERT_TRUE(var.ok()) << var.status().ToString();        \
  lhs = *std::move(var)
