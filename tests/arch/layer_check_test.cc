#include "tests/arch/layer_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "tests/arch/source_text.h"

namespace penstock::arch {
namespace {

namespace fs = std::filesystem;
using penstock::testing::IsOk;
using penstock::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kTable = R"(
library absl absl/
library absl-sync absl/synchronization/
library grpc grpcpp/
library threads thread
library testing gtest/
folder proto : : grpc
folder common/base : : absl
folder common/service : common/base : absl threads posix
folder common/testing : common/service : testing
folder scheduler/core : common/base : absl
folder scheduler/core/deep : scheduler/core : absl
folder scheduler/api : scheduler/core proto : absl grpc
tests : common/testing : testing
forbid absl::Mutex
forbid std::thread except common/service/
forbid absl::Now except common/base/clock.cc   # and nowhere else
lines 10
)";

class LayerCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto layers = Layers::Parse(kTable);
    ASSERT_THAT(layers, IsOk());
    layers_ = *std::move(layers);
  }
  std::vector<std::string> Check(const std::string& path, std::string_view text) const {
    return CheckSource(layers_, path, text);
  }

  Layers layers_;
};

TEST_F(LayerCheckTest, AllowsWhatIsListedAndWhatThatMayInclude) {
  EXPECT_THAT(Check("scheduler/api/a.cc",
                    "#include <grpcpp/server.h>\n#include <vector>\n#include \"absl/x.h\"\n"
                    "#include \"common/base/a.h\"\n#include \"scheduler/core/deep.h\"\n"
                    "#include \"penstock/v1/types.pb.h\"\n#include \"scheduler/api/b.h\"\n"),
              IsEmpty());
}

TEST_F(LayerCheckTest, CatchesAnIncludeAgainstTheDirection) {
  EXPECT_THAT(Check("common/base/a.cc", "\n#include \"common/service/executor.h\"\n"),
              ElementsAre("common/base/a.cc:2: common/base may not include common/service"));
  EXPECT_THAT(Check("scheduler/core/a.cc", "#include <penstock/v1/types.pb.h>\n"),
              ElementsAre("scheduler/core/a.cc:1: scheduler/core may not include proto"));
  EXPECT_THAT(Check("scheduler/core/a.cc", "#include \"scheduler/core/deep/x.h\"\n"),
              ElementsAre(HasSubstr("may not include scheduler/core/deep")));
}

TEST_F(LayerCheckTest, CatchesForeignLibraries) {
  EXPECT_THAT(Check("scheduler/core/a.cc", "#  include <grpcpp/server.h>\n"),
              ElementsAre("scheduler/core/a.cc:1: scheduler/core may not use grpc "
                          "(grpcpp/server.h)"));
  EXPECT_THAT(Check("scheduler/core/a.cc", "#include <thread>\n"),
              ElementsAre(HasSubstr("may not use threads")));
  EXPECT_THAT(Check("scheduler/core/a.cc", "#include <unistd.h>\n"),
              ElementsAre(HasSubstr("may not use posix")));
  EXPECT_THAT(Check("common/service/a.cc", "#include \"absl/synchronization/mutex.h\"\n"),
              ElementsAre(HasSubstr("may not use absl-sync")));
}

TEST_F(LayerCheckTest, UnitTestsMayUseMore) {
  const std::string text =
      "#include <gtest/gtest.h>\n#include \"common/testing/fake_clock.h\"\n"
      "#include \"common/service/event.h\"\n";
  EXPECT_THAT(Check("scheduler/core/a_test.cc", text), IsEmpty());
  EXPECT_THAT(Check("scheduler/core/a_fixture.h", "#pragma once\n" + text), IsEmpty());
  EXPECT_THAT(Check("scheduler/core/a_test_base.h", "#pragma once\n" + text), IsEmpty());
  EXPECT_EQ(Check("scheduler/core/a.cc", text).size(), 3u);
  EXPECT_THAT(Check("scheduler/core/a_test.cc", "#include \"scheduler/api/a.h\"\n"),
              ElementsAre(HasSubstr("may not include scheduler/api")));
}

TEST_F(LayerCheckTest, CatchesForbiddenTexts) {
  EXPECT_THAT(Check("scheduler/core/a.cc", "absl::Mutex mu;\nauto t = absl::Now();\n"),
              ElementsAre("scheduler/core/a.cc:1: absl::Mutex is forbidden here",
                          "scheduler/core/a.cc:2: absl::Now is forbidden here"));
  EXPECT_THAT(Check("scheduler/core/a.cc", "std::thread t; std::thread u;\n"),
              ElementsAre(HasSubstr("std::thread")));
  EXPECT_THAT(Check("common/service/a.cc", "std::thread t;\n"), IsEmpty());
  EXPECT_THAT(Check("common/base/clock.cc", "return absl::Now();\n"), IsEmpty());
  EXPECT_THAT(Check("common/base/clock2.cc", "return absl::Now();\n"),
              ElementsAre(HasSubstr("Now")));
}

TEST_F(LayerCheckTest, IgnoresCommentsStringsAndLongerNames) {
  EXPECT_THAT(Check("scheduler/core/a.cc",
                    "// absl::Now() and \"\n/* std::thread\n absl::Mutex */\n"
                    "const char* a = \"absl::Now() \\\" absl::Now\";\n"
                    "const char* b = R\"x(absl::Mutex\n)\" absl::Mutex)x\";\n"
                    "my_absl::Nowhere(); const int n = 1'000; char c = '\"';\n"
                    "// #include <thread>\n"),
              IsEmpty());
  EXPECT_THAT(Check("scheduler/core/a.cc", "const int n = 1'0; absl::Now();  // '\n"),
              ElementsAre(HasSubstr("absl::Now")));
}

TEST_F(LayerCheckTest, CatchesLongFilesHeadersWithoutPragmaAndUnknownFolders) {
  EXPECT_THAT(Check("common/base/a.cc", std::string(10, '\n')), IsEmpty());
  EXPECT_THAT(Check("common/base/a.cc", std::string(11, '\n')),
              ElementsAre(HasSubstr("11 lines, more than 10")));
  EXPECT_THAT(Check("common/base/a.h", "// #pragma once\n"),
              ElementsAre(HasSubstr("without #pragma once")));
  EXPECT_THAT(Check("common/base/a.h", "#pragma once\n"), IsEmpty());
  EXPECT_THAT(Check("common/new/a.cc", ""), ElementsAre(HasSubstr("not in layers.txt")));
}

TEST_F(LayerCheckTest, WalksATree) {
  const testing::TempDir temp("layers");
  const fs::path& root = temp.path();
  EXPECT_THAT(CheckTree(layers_, root), StatusIs(absl::StatusCode::kNotFound));
  fs::create_directories(root / "common/base/sub");
  fs::create_directories(root / "docs");
  std::ofstream(root / "common/base/good.h") << "#pragma once\n";
  std::ofstream(root / "common/base/sub/bad.cc") << "#include <thread>\n";
  std::ofstream(root / "common/base/notes.txt") << "#include <thread>\n";
  std::ofstream(root / "docs/example.cc") << "#include <thread>\n";
  const auto report = CheckTree(layers_, root);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->files, 2);
  EXPECT_THAT(report->violations,
              ElementsAre("common/base/sub/bad.cc:1: common/base may not use threads (thread)"));
}

TEST(LayersTest, RefusesATableThatMakesNoSense) {
  EXPECT_THAT(Layers::Parse("folder a : b :\nfolder b : c :\nfolder c : a :\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("itself through others")));
  EXPECT_THAT(Layers::Parse("folder a : nowhere :\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no folder \"nowhere\"")));
  EXPECT_THAT(Layers::Parse("folder a : : unknown\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no library \"unknown\"")));
  EXPECT_THAT(Layers::Parse("folder a : :\nfolder a : :\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 2")));
  for (const char* text : {"folder a b c\n", "lines many\n", "forbid except x\n", "nonsense\n"}) {
    EXPECT_THAT(Layers::Parse(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(SourceTextTest, FindsIncludesWithTheirLines) {
  const auto includes = Includes(
      "#pragma once\n #  include <a/b.h>\n/*\n#include \"c.h\"\n*/\n"
      "#include \"d.h\"  // why\n#define include x\n");
  ASSERT_EQ(includes.size(), 2u);
  EXPECT_EQ(includes[0].header, "a/b.h");
  EXPECT_EQ(includes[0].line, 2);
  EXPECT_EQ(includes[1].header, "d.h");
  EXPECT_EQ(includes[1].line, 6);
}

}  // namespace
}  // namespace penstock::arch
