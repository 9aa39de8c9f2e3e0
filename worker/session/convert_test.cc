#include "worker/session/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::worker {
namespace {

Result ResultOf(int64_t run, size_t output_bytes = 0) {
  Result result;
  result.key = {RunId(run), 3, -1, 2};
  result.report.outcome = Outcome::kFailed;
  result.report.cause = Cause::kSignal;
  result.report.signal = 9;
  result.report.output_json = std::string(output_bytes, 'x');
  return result;
}

Outgoing WithResults(int count, size_t output_bytes = 0) {
  Outgoing out;
  for (int i = 1; i <= count; ++i) {
    out.results.push_back({DomainId(7), Epoch(4), ResultOf(i, output_bytes)});
  }
  return out;
}

TEST(ConvertTest, KeysSurviveTheWire) {
  const AttemptKey key{RunId(1LL << 60), 99'999, -1, 2'000'000'000};
  v1::AttemptKey wire;
  ToProto(key, &wire);
  EXPECT_EQ(FromProto(wire), key);
}

TEST(ConvertTest, CausesKeepTheirNumbers) {
  for (int number = 0; number <= v1::CAUSE_SKIP_REQUESTED; ++number) {
    EXPECT_EQ(static_cast<int>(ToProto(static_cast<Cause>(number))), number);
  }
}

TEST(ConvertTest, AnAttemptIsRevokedForTwoReasonsOnly) {
  EXPECT_EQ(*RevokeCause(v1::CAUSE_RUN_TIMEOUT), Cause::kRunTimeout);
  EXPECT_EQ(*RevokeCause(v1::CAUSE_CANCELLED), Cause::kCancelled);
  EXPECT_FALSE(RevokeCause(v1::CAUSE_NONE).ok());
  EXPECT_FALSE(RevokeCause(static_cast<v1::Cause>(12345)).ok());
}

TEST(ConvertTest, UnknownReasonsAreRefused) {
  EXPECT_EQ(*FromProto(v1::DomainEnd::REASON_NOT_OWNER), EndReason::kNotOwner);
  EXPECT_FALSE(FromProto(v1::DomainEnd::REASON_UNSPECIFIED).ok());
  EXPECT_FALSE(FromProto(static_cast<v1::DomainEnd::Reason>(77)).ok());
}

TEST(ConvertTest, SaysEverythingInOneMessageWhereItFits) {
  Outgoing out = WithResults(1);
  out.hellos.push_back(
      {DomainId(7), Epoch(4), {{RunId(8), 0, -1, 1}}, {ResultOf(9)}, 5, true, true, 6});
  out.credits.push_back({DomainId(7), Epoch(4), 2});
  out.started.push_back({DomainId(7), Epoch(4), {RunId(1), 0, -1, 1}, 55});
  out.hand_backs.push_back({DomainId(7), Epoch(4), {RunId(2), 0, -1, 1}});
  out.renew_sequence = 3;
  out.draining = true;
  const auto messages = ToProto(std::move(out), 1 << 20);
  ASSERT_EQ(messages.size(), 1u);
  const v1::WorkerMessage& message = messages[0];
  EXPECT_EQ(message.domain_hellos(0).running(0).run_id(), 8);
  EXPECT_EQ(message.domain_hellos(0).unacknowledged(0).attempt().run_id(), 9);
  EXPECT_EQ(message.domain_hellos(0).credits(), 5);
  EXPECT_EQ(message.domain_hellos(0).offer(), 6);
  EXPECT_TRUE(message.domain_hellos(0).draining());
  EXPECT_TRUE(message.domain_hellos(0).shared());
  EXPECT_EQ(message.credits(0).credits(), 2);
  EXPECT_EQ(message.started(0).started_at_us(), 55);
  EXPECT_EQ(message.results(0).epoch(), 4);
  EXPECT_EQ(message.results(0).cause(), v1::CAUSE_SIGNAL);
  EXPECT_EQ(message.results(0).signal(), 9);
  EXPECT_EQ(message.hand_backs(0).attempt().run_id(), 2);
  EXPECT_EQ(message.renew().sequence(), 3);
  EXPECT_TRUE(message.draining());
}

TEST(ConvertTest, SplitsWhatIsTooLargeAndKeepsTheOrder) {
  const auto messages = ToProto(WithResults(10, 1000), 3000);
  ASSERT_GT(messages.size(), 3u);
  int64_t next = 1;
  for (const v1::WorkerMessage& message : messages) {
    EXPECT_LE(message.ByteSizeLong(), 3200u);
    for (const v1::Result& result : message.results()) EXPECT_EQ(result.attempt().run_id(), next++);
  }
  EXPECT_EQ(next, 11);
}

TEST(ConvertTest, NothingToSayIsNoMessage) { EXPECT_TRUE(ToProto(Outgoing(), 100).empty()); }

TEST(ConvertTest, MergesResultsButNothingAcrossAHello) {
  v1::WorkerMessage last = ToProto(WithResults(2), 1 << 20)[0];
  v1::WorkerMessage next = ToProto(WithResults(3), 1 << 20)[0];
  EXPECT_TRUE(MergeMessages(last, next));
  EXPECT_EQ(last.results_size(), 5);
  v1::WorkerMessage hello;
  hello.add_domain_hellos();
  EXPECT_FALSE(MergeMessages(last, hello));
  v1::WorkerMessage renew;
  renew.mutable_renew()->set_sequence(1);
  EXPECT_TRUE(MergeMessages(last, renew));
  EXPECT_FALSE(MergeMessages(last, renew)) << "each renewal is answered by its number";
}

TEST(ConvertTest, MergedMessagesStayBounded) {
  v1::WorkerMessage last;
  for (int i = 0; i < 100; ++i) {
    v1::WorkerMessage next = ToProto(WithResults(10, 10'000), 1 << 20)[0];
    MergeMessages(last, next);
  }
  EXPECT_LT(last.ByteSizeLong(), 1u << 20);
  v1::WorkerMessage many;
  for (int i = 0; i < 10'000; ++i) {
    v1::WorkerMessage next = ToProto(WithResults(1), 1 << 20)[0];
    MergeMessages(many, next);
  }
  EXPECT_LE(many.results_size(), 2000);
}

}  // namespace
}  // namespace penstock::worker
