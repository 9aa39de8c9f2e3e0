// The hub between streams and owners.
#include "scheduler/engine/session_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/fake_clock.h"

namespace penstock::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr DomainId kDomain(1);
constexpr SessionId kSession(7);

struct FakeStream : SessionStream {
  void Offer(DomainId, Epoch epoch, int64_t number) override {
    epochs.push_back(epoch);
    numbers.push_back(number);
  }
  void Withdraw(DomainId, Epoch epoch) override { withdrawn.push_back(epoch); }
  void Deliver(DomainId, Epoch, SessionMail mail) override { mails.push_back(std::move(mail)); }
  void SetFleet(const std::vector<std::string>& addresses) override { fleet = addresses; }

  std::vector<Epoch> epochs;
  std::vector<int64_t> numbers;
  std::vector<Epoch> withdrawn;
  std::vector<SessionMail> mails;
  std::vector<std::string> fleet;
};

struct FakeInbox : DomainInbox {
  void Post(core::Event event) override { events.push_back(std::move(event)); }
  void Post(std::vector<core::Event> more) override {
    for (core::Event& event : more) events.push_back(std::move(event));
  }
  bool LeaseHolds(SteadyTime) const override { return lease; }
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const core::Event& event : events) {
      if (const T* e = std::get_if<T>(&event)) found.push_back(*e);
    }
    return found;
  }

  std::vector<core::Event> events;
  bool lease = true;
};

class SessionHubTest : public ::testing::Test {
 protected:
  std::shared_ptr<FakeStream> Attach(int64_t started_us = 1) {
    auto stream = std::make_shared<FakeStream>();
    core::SessionInfo info;
    info.id = kSession;
    info.started_us = started_us;
    attached_ = hub_.Attach(info, stream);
    return stream;
  }
  void Hello(Epoch epoch, int64_t offer) {
    DomainHello hello;
    hello.domain = kDomain;
    hello.epoch = epoch;
    hello.offer = offer;
    hub_.OnDomainHello(kSession, std::move(hello));
  }
  core::BindingId Latest() const { return inbox_.All<core::SessionHello>().back().binding; }

  testing::FakeClock clock_;
  SessionHub hub_{clock_};
  FakeInbox inbox_;
  absl::Status attached_;
};

TEST_F(SessionHubTest, OffersToNewStreamsAndToNewOwners) {
  const auto early = Attach();
  EXPECT_THAT(early->epochs, IsEmpty());
  hub_.Register(kDomain, Epoch(3), &inbox_);
  EXPECT_THAT(early->epochs, ElementsAre(Epoch(3)));
  const auto late = Attach();
  EXPECT_THAT(late->epochs, ElementsAre(Epoch(3)));
  hub_.Unregister(kDomain);
  EXPECT_THAT(late->withdrawn, ElementsAre(Epoch(3)));
}

TEST_F(SessionHubTest, TakesOnlyTheAnswerToTheLatestOffer) {
  hub_.Register(kDomain, Epoch(3), &inbox_);
  const auto stream = Attach();
  hub_.Resync(kDomain);
  ASSERT_THAT(stream->numbers, SizeIs(2));
  EXPECT_NE(stream->numbers[0], stream->numbers[1]);
  // It was on its way when the owner reloaded: what it leads to would cross the next hello.
  Hello(Epoch(3), stream->numbers[0]);
  EXPECT_THAT(inbox_.All<core::SessionHello>(), IsEmpty());
  Hello(Epoch(3), stream->numbers[1]);
  EXPECT_THAT(inbox_.All<core::SessionHello>(), SizeIs(1));
}

TEST_F(SessionHubTest, TakesNoHelloOfAnEarlierStream) {
  hub_.Register(kDomain, Epoch(3), &inbox_);
  const auto first = Attach();
  const auto second = Attach();
  Hello(Epoch(3), first->numbers[0]);
  EXPECT_THAT(inbox_.All<core::SessionHello>(), IsEmpty());
  Hello(Epoch(3), second->numbers[0]);
  EXPECT_THAT(inbox_.All<core::SessionHello>(), SizeIs(1));
}

TEST_F(SessionHubTest, TakesNoHelloForAnotherEpochNorForNoOwner) {
  const auto stream = Attach();
  Hello(Epoch(3), 1);
  hub_.Register(kDomain, Epoch(3), &inbox_);
  Hello(Epoch(2), stream->numbers[0]);
  hub_.Unregister(kDomain);
  Hello(Epoch(3), stream->numbers[0]);
  EXPECT_THAT(inbox_.events, IsEmpty());
}

TEST_F(SessionHubTest, ConfirmsARenewalOnlyForADurableBindingUnderALease) {
  hub_.Register(kDomain, Epoch(3), &inbox_);
  const auto stream = Attach();
  EXPECT_THAT(hub_.OnRenew(kSession), IsEmpty()) << "not bound";
  Hello(Epoch(3), stream->numbers[0]);
  EXPECT_THAT(hub_.OnRenew(kSession), IsEmpty()) << "not durable";
  hub_.Bound(kDomain, kSession, core::BindingId(99));
  EXPECT_THAT(hub_.OnRenew(kSession), IsEmpty()) << "another binding is";
  hub_.Bound(kDomain, kSession, Latest());
  inbox_.lease = false;
  EXPECT_THAT(hub_.OnRenew(kSession), IsEmpty()) << "the owner's lease may have ended";
  inbox_.lease = true;
  EXPECT_THAT(hub_.OnRenew(kSession), ElementsAre(kDomain));
  EXPECT_THAT(inbox_.All<core::SessionConfirmed>(), SizeIs(1));
  hub_.Resync(kDomain);
  EXPECT_THAT(hub_.OnRenew(kSession), IsEmpty()) << "the owner reloads";
}

TEST_F(SessionHubTest, DropsMailAndEventsOfAnEarlierBinding) {
  hub_.Register(kDomain, Epoch(3), &inbox_);
  const auto stream = Attach();
  Hello(Epoch(3), stream->numbers[0]);
  const core::BindingId first = Latest();
  hub_.Resync(kDomain);
  hub_.Deliver(kDomain, kSession, first, {});
  hub_.OnEvents(kSession, kDomain, Epoch(3), 5, {core::AttemptStarted{}});
  EXPECT_THAT(stream->mails, IsEmpty());
  EXPECT_THAT(inbox_.All<core::CreditsGranted>(), IsEmpty());
  EXPECT_THAT(inbox_.All<core::AttemptStarted>(), IsEmpty());
  Hello(Epoch(3), stream->numbers[1]);
  hub_.Deliver(kDomain, kSession, first, {});
  EXPECT_THAT(stream->mails, IsEmpty());
  hub_.Deliver(kDomain, kSession, Latest(), {});
  EXPECT_THAT(stream->mails, SizeIs(1));
  SessionMail mail;
  mail.acks.emplace_back();
  mail.wish = 3;
  hub_.Deliver(kDomain, kSession, first, std::move(mail));
  ASSERT_THAT(stream->mails, SizeIs(2)) << "acknowledgements need no binding";
  EXPECT_THAT(stream->mails[1].acks, SizeIs(1));
  EXPECT_EQ(stream->mails[1].wish, std::nullopt);
}

TEST_F(SessionHubTest, TellsTheOwnerWhenTheBoundStreamIsGone) {
  hub_.Register(kDomain, Epoch(3), &inbox_);
  const auto first = Attach();
  Hello(Epoch(3), first->numbers[0]);
  const auto second = Attach();  // the same process, before the first stream was noticed to be dead
  EXPECT_THAT(inbox_.All<core::BindingClosed>(), SizeIs(1));
  hub_.Detach(kSession, first.get());
  EXPECT_EQ(hub_.stream_count(), 1u) << "the later stream stays";
  Hello(Epoch(3), second->numbers[0]);
  hub_.Detach(kSession, second.get());
  EXPECT_THAT(inbox_.All<core::BindingClosed>(), SizeIs(2));
  EXPECT_EQ(hub_.stream_count(), 0u);
}

TEST_F(SessionHubTest, RefusesASessionOfAnotherProcess) {
  const auto first = Attach(1);
  const auto other = Attach(2);
  EXPECT_TRUE(absl::IsAlreadyExists(attached_)) << attached_;
  hub_.Register(kDomain, Epoch(3), &inbox_);
  EXPECT_THAT(other->epochs, IsEmpty());
  EXPECT_THAT(first->epochs, SizeIs(1));
}

TEST_F(SessionHubTest, PassesADeathOnToAllOwners) {
  FakeInbox other;
  hub_.Register(kDomain, Epoch(3), &inbox_);
  hub_.Register(DomainId(2), Epoch(1), &other);
  hub_.OnSessionDead(SessionId(5));
  EXPECT_THAT(inbox_.All<core::SessionDead>(), SizeIs(1));
  EXPECT_THAT(other.All<core::SessionDead>(), SizeIs(1));
}

// An owner that was just loading when the guardian reported would wait for the lease to end.
TEST_F(SessionHubTest, TellsOfADeathAgainToWhoeverLoadsTheDomainLater) {
  hub_.OnSessionDead(SessionId(5));
  hub_.OnSessionDead(SessionId(5));
  hub_.Register(kDomain, Epoch(3), &inbox_);
  ASSERT_THAT(inbox_.All<core::SessionDead>(), SizeIs(1));
  EXPECT_EQ(inbox_.All<core::SessionDead>()[0].session, SessionId(5));
  hub_.Resync(kDomain);
  EXPECT_THAT(inbox_.All<core::SessionDead>(), SizeIs(2));
}

}  // namespace
}  // namespace penstock::engine
