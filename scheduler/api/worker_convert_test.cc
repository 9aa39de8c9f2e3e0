#include "scheduler/api/worker_convert.h"

#include <memory>
#include <string>
#include <utility>

#include "common/testing/status_matchers.h"

namespace penstock::api {
namespace {

using ::penstock::testing::IsOk;
using ::penstock::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

v1::AttemptKey Key(int64_t run, uint32_t task = 0, int32_t attempt = 1) {
  v1::AttemptKey key;
  key.set_run_id(run);
  key.set_task_index(task);
  key.set_map_index(-1);
  key.set_attempt(attempt);
  return key;
}

v1::Result Success(const std::string& output) {
  v1::Result result;
  result.set_domain(1);
  result.set_epoch(2);
  *result.mutable_attempt() = Key(5);
  result.set_outcome(v1::Result::OUTCOME_SUCCESS);
  result.set_output_json(output);
  return result;
}

engine::ReadyAssignment Assignment(int64_t run, size_t param_bytes) {
  engine::ReadyAssignment ready;
  ready.assign.ref.key = {RunId(run), 0, -1};
  ready.assign.ref.attempt = 1;
  auto info = std::make_shared<core::RunInfo>();
  info->id = RunId(run);
  info->version = VersionId(3);
  info->params_json = std::string(param_bytes, 'p');
  ready.assign.run = info;
  return ready;
}

v1::WorkerHello Hello() {
  v1::WorkerHello hello;
  hello.set_session_id(77);
  hello.set_name("w1");
  hello.add_queues("default");
  hello.set_slots(4);
  hello.set_started_at_us(1'000'000);
  return hello;
}

TEST(WorkerConvertTest, TakesASoundHello) {
  v1::WorkerHello hello = Hello();
  (*hello.mutable_labels())["zone"] = "a";
  (*hello.mutable_custom_resources())["gpu"] = 2;
  const auto info = FromProto(hello);
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->id, SessionId(77));
  EXPECT_EQ(info->labels.at("zone"), "a");
  EXPECT_EQ(info->custom_resources.at("gpu"), 2);
}

TEST(WorkerConvertTest, RefusesAHelloWithAllItsProblems) {
  v1::WorkerHello hello;
  hello.set_session_id(-1);
  EXPECT_THAT(FromProto(hello),
              StatusIs(kInvalid,
                       AllOf(HasSubstr("session_id"), HasSubstr("name: must be given"),
                             HasSubstr("queues"), HasSubstr("slots"), HasSubstr("started_at_us"))));
}

TEST(WorkerConvertTest, RefusesKeysThatNoAttemptCanHave) {
  EXPECT_THAT(FromProto(Key(5)), IsOk());
  EXPECT_THAT(FromProto(Key(0)), StatusIs(kInvalid));
  EXPECT_THAT(FromProto(Key(5, 0x80000000u)), StatusIs(kInvalid));
  EXPECT_THAT(FromProto(Key(5, 0, 0)), StatusIs(kInvalid));
}

TEST(WorkerConvertTest, TurnsASuccessWithABadOutputIntoAFailure) {
  for (const std::string& bad :
       {std::string("[1]"), std::string("{"), std::string("{\"a\": \"\\u0000\"}"),
        std::string(kMaxOutputBytes + 1, ' ')}) {
    const auto result = FromProto(Success(bad));
    ASSERT_THAT(result, IsOk());
    EXPECT_EQ(result->outcome, core::Outcome::kFailed);
    EXPECT_EQ(result->cause, core::Cause::kOutputInvalid);
    EXPECT_EQ(result->output_json, "");
    EXPECT_NE(result->error, "");
  }
  EXPECT_EQ(FromProto(Success("{\"a\": 1}"))->outcome, core::Outcome::kSuccess);
}

TEST(WorkerConvertTest, RepairsErrorTextsInsteadOfRefusingThem) {
  v1::Result result = Success("");
  result.set_outcome(v1::Result::OUTCOME_FAILED);
  result.set_error(std::string("bad\0byte", 8) + std::string(10'000, 'x'));
  const auto converted = FromProto(result);
  ASSERT_THAT(converted, IsOk());
  EXPECT_EQ(converted->error.find('\0'), std::string::npos);
  EXPECT_LE(converted->error.size(), kMaxErrorBytes);
}

TEST(WorkerConvertTest, GroupsEventsByDomainAndKeepsTheOrderOfTheFields) {
  v1::WorkerMessage message;
  v1::HandBack* hand_back = message.add_hand_backs();
  hand_back->set_domain(1);
  hand_back->set_epoch(2);
  *hand_back->mutable_attempt() = Key(9);
  *message.add_results() = Success("");
  v1::Started* started = message.add_started();
  started->set_domain(1);
  started->set_epoch(2);
  *started->mutable_attempt() = Key(5);
  *message.add_results() = Success("");
  message.mutable_results(1)->set_domain(8);
  for (const int32_t credits : {3, -7, INT32_MAX}) {
    v1::CreditGrant* grant = message.add_credits();
    grant->set_domain(1);
    grant->set_epoch(2);
    grant->set_credits(credits);
  }
  const auto groups = ToEvents(SessionId(1), message);
  ASSERT_THAT(groups, IsOk());
  ASSERT_EQ(groups->size(), 2u);
  EXPECT_EQ(groups->at(0).credits, INT32_MAX);
  EXPECT_EQ(groups->at(1).credits, 0);
  const auto& events = groups->at(0).events;
  ASSERT_EQ(events.size(), 3u);
  EXPECT_TRUE(std::holds_alternative<core::AttemptStarted>(events[0]));
  EXPECT_TRUE(std::holds_alternative<core::AttemptEnded>(events[1]));
  EXPECT_TRUE(std::holds_alternative<core::AttemptHandedBack>(events[2]));
  EXPECT_EQ(groups->at(1).domain, DomainId(8));
}

TEST(WorkerMailTest, StampsDomainAndEpochOnEveryItem) {
  engine::SessionMail mail;
  mail.acks.push_back({SessionId(1), {{RunId(4), 1, -1}, 2}});
  mail.assignments.push_back(Assignment(5, 10));
  mail.credits_returned = 3;
  mail.wish = 0;
  mail.drain = true;
  std::vector<core::AttemptRef> refused;
  const auto messages = ToMessages(DomainId(6), Epoch(7), std::move(mail), &refused);
  ASSERT_EQ(messages.size(), 1u);
  const v1::SchedulerMessage& message = messages[0];
  EXPECT_EQ(message.acks(0).attempt().task_index(), 1u);
  EXPECT_EQ(message.assignments(0).domain(), 6);
  EXPECT_EQ(message.assignments(0).epoch(), 7);
  EXPECT_EQ(message.assignments(0).params_json().size(), 10u);
  EXPECT_EQ(message.credit_returns(0).credits(), 3);
  EXPECT_EQ(message.wishes(0).wanted(), 0);
  EXPECT_TRUE(message.drain());
  EXPECT_TRUE(refused.empty());
}

TEST(WorkerMailTest, SplitsLargeMailAndRefusesWhatFitsNoMessage) {
  engine::SessionMail mail;
  for (int i = 1; i <= 3; ++i) mail.assignments.push_back(Assignment(i, 600 << 10));
  mail.assignments.push_back(Assignment(4, 15 << 20));
  std::vector<core::AttemptRef> refused;
  const auto messages = ToMessages(DomainId(1), Epoch(1), std::move(mail), &refused);
  EXPECT_EQ(messages.size(), 3u);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].key.run, RunId(4));
}

TEST(WorkerMailTest, MergesOnlyWhatTheReceiverCannotTellApart) {
  const auto with = [](auto edit) {
    v1::SchedulerMessage message;
    edit(message);
    return message;
  };
  v1::SchedulerMessage last = with([](auto& m) { m.add_assignments(); });
  v1::SchedulerMessage more = with([](auto& m) { m.add_assignments(); });
  EXPECT_TRUE(MergeMessages(last, more));
  EXPECT_EQ(last.assignments_size(), 2);
  v1::SchedulerMessage revoke = with([](auto& m) { m.add_revokes(); });
  EXPECT_FALSE(MergeMessages(last, revoke));
  v1::SchedulerMessage acks = with([](auto& m) { m.add_acks(); });
  EXPECT_TRUE(MergeMessages(acks, revoke));
  v1::SchedulerMessage offer = with([](auto& m) { m.add_offers(); });
  EXPECT_FALSE(MergeMessages(last, offer));
  EXPECT_FALSE(MergeMessages(offer, more));
  v1::SchedulerMessage renewed = with([](auto& m) { m.mutable_renewed()->set_sequence(1); });
  EXPECT_FALSE(MergeMessages(last, renewed));
}

}  // namespace
}  // namespace penstock::api
