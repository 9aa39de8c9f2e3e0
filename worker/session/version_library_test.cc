#include "worker/session/version_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/service/event.h"
#include "common/testing/fake_clock.h"
#include "worker/session/bundle.h"

namespace penstock::worker {
namespace {

std::string AnyForm() {
  const dag::ParseResult parsed = dag::ParseDag("dag: d\ntasks: {t: {sh: 'true'}}\n");
  return dag::CanonicalJson(*parsed.dag);
}

class FakeSource final : public VersionSource {
 public:
  absl::StatusOr<Raw> GetVersion(VersionId id) override {
    MutexLock lock(&mu_);
    ++asked_[id.value()];
    if (!failure_.ok()) return failure_;
    return Raw{"team", form_, ""};
  }
  absl::StatusOr<std::string> GetBundle(const std::string&) override {
    return absl::UnimplementedError("no bundles here");
  }
  int asked(int64_t id) {
    MutexLock lock(&mu_);
    return asked_[id];
  }

  Mutex mu_;
  std::map<int64_t, int> asked_;
  absl::Status failure_;
  std::string form_ = AnyForm();
};

class VersionLibraryTest : public ::testing::Test {
 protected:
  absl::StatusOr<LoadedVersion> Load(int64_t id) {
    absl::StatusOr<LoadedVersion> result = absl::UnknownError("not called back");
    service::Event done;
    library_.Load(VersionId(id), [&](absl::StatusOr<LoadedVersion> loaded) {
      result = std::move(loaded);
      done.Set();
    });
    done.Wait();
    return result;
  }

  penstock::testing::FakeClock clock_;
  FakeSource source_;
  service::Executor executor_{{"test", 1, 8}};
  VersionLibrary library_{{20'000, absl::Seconds(5)}, source_, executor_, clock_};
};

TEST_F(VersionLibraryTest, AsksOnceForEachVersion) {
  EXPECT_EQ(library_.Find(VersionId(1)), nullptr);
  EXPECT_TRUE(Load(1).ok());
  EXPECT_TRUE(Load(1).ok());
  EXPECT_NE(library_.Find(VersionId(1)), nullptr);
  EXPECT_EQ(source_.asked(1), 1);
}

TEST_F(VersionLibraryTest, RemembersForAWhileThatAVersionIsUnknown) {
  source_.failure_ = absl::NotFoundError("no such version");
  EXPECT_EQ(Load(1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Load(1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(source_.asked(1), 1);
  clock_.Advance(absl::Seconds(6));
  EXPECT_FALSE(Load(1).ok());
  EXPECT_EQ(source_.asked(1), 2);
}

TEST_F(VersionLibraryTest, DoesNotRememberThatNobodyAnswered) {
  source_.failure_ = absl::UnavailableError("nobody there");
  EXPECT_FALSE(Load(1).ok());
  {
    MutexLock lock(&source_.mu_);
    source_.failure_ = absl::OkStatus();
  }
  EXPECT_TRUE(Load(1).ok());
}

TEST_F(VersionLibraryTest, ForgetsWhatIsNotUsed) {
  for (int64_t id = 1; id <= 200; ++id) {
    EXPECT_TRUE(Load(id).ok());
    EXPECT_NE(library_.Find(VersionId(1)), nullptr) << "in use all the time";
  }
  EXPECT_EQ(library_.Find(VersionId(2)), nullptr);
  EXPECT_LE(library_.bytes(), 20'000u);
}

TEST(BundleTest, RefusesAWrongHash) {
  EXPECT_EQ(ReadBundle(std::string(64, '0'), "x").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadBundle(Sha256Hex("x"), "x").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace penstock::worker
