#include "scheduler/api/bundle_check.h"

#include <string>
#include <vector>

#include "common/testing/status_matchers.h"
#include "penstock/v1/worker.pb.h"

namespace penstock::api {
namespace {

using ::penstock::testing::IsOkAndHolds;
using ::penstock::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string Bundle(const std::vector<std::string>& paths) {
  v1::Bundle bundle;
  for (const std::string& path : paths) {
    v1::Bundle::File* file = bundle.add_files();
    file->set_path(path);
    file->set_content("x");
  }
  return bundle.SerializeAsString();
}

TEST(BundleCheckTest, HashesTheBytesAndTakesNoneForNoFiles) {
  EXPECT_THAT(CheckBundle(""), IsOkAndHolds(std::string()));
  EXPECT_THAT(CheckBundle(Bundle({"a.sh", "lib/b.py"})), IsOkAndHolds(MatchesRegex("[0-9a-f]+")));
  EXPECT_NE(*CheckBundle(Bundle({"a"})), *CheckBundle(Bundle({"b"})));
}

TEST(BundleCheckTest, RefusesPathsThatLeaveTheDirectory) {
  for (const char* path : {"/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", "a/./b", "a\nb"}) {
    EXPECT_THAT(CheckBundle(Bundle({path})), StatusIs(kInvalid, HasSubstr("not safe"))) << path;
  }
}

TEST(BundleCheckTest, ListsAllProblemsAtOnce) {
  EXPECT_THAT(CheckBundle(Bundle({"b", "a", "../x"})),
              StatusIs(kInvalid, AllOf(HasSubstr("\"a\" is repeated or not in the order"),
                                       HasSubstr("\"../x\" is not safe"))));
}

TEST(BundleCheckTest, RefusesAFileThatIsADirectoryToo) {
  EXPECT_THAT(CheckBundle(Bundle({"a", "a.txt", "a/b"})),
              StatusIs(kInvalid, HasSubstr("both a file and a directory")));
}

TEST(BundleCheckTest, RefusesBytesThatAreNoBundleInItsOneForm) {
  EXPECT_THAT(CheckBundle("\xFF\xFF"), StatusIs(kInvalid, HasSubstr("not a Bundle")));
  // An unknown field (number 9, varint 1) behind a sound bundle.
  EXPECT_THAT(CheckBundle("\x48\x01" + Bundle({"a"})), StatusIs(kInvalid));
  EXPECT_THAT(CheckBundle(std::string(kMaxBundleBytes + kMaxBundleFraming + 1, 'x')),
              StatusIs(kInvalid, HasSubstr("too many")));
}

TEST(BundleCheckTest, CountsWhatFilesHoldAsTheClientDoes) {
  v1::Bundle bundle;
  v1::Bundle::File* file = bundle.add_files();
  file->set_path("large");
  file->set_content(std::string(kMaxBundleBytes, 'x'));
  EXPECT_THAT(CheckBundle(bundle.SerializeAsString()), IsOkAndHolds(MatchesRegex("[0-9a-f]+")));
  file->mutable_content()->push_back('x');
  EXPECT_THAT(CheckBundle(bundle.SerializeAsString()), StatusIs(kInvalid, HasSubstr("too many")));
}

}  // namespace
}  // namespace penstock::api
