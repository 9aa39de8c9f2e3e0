#include "common/logstore/file_log_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/logstore/record_format.h"
#include "common/service/executor.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace penstock::logstore {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::StatusIs;
using ::testing::UnorderedElementsAre;

constexpr absl::Time kAt = absl::FromUnixMicros(1'704'067'200'000'007);
constexpr int64_t kAll = int64_t{1} << 40;
const AttemptRef kRef{RunId(0x1234), 5, -1, 2};

LogChunk Out(int64_t offset, std::string_view bytes) {
  return {offset, LogStream::kStdout, kAt, bytes, false, false};
}
LogChunk End(int64_t offset) { return {offset, LogStream::kSystem, kAt, "", true, false}; }

std::string Join(const LogSlice& slice) {
  std::string text;
  for (const LogRecord& record : slice.records) text += record.bytes;
  return text;
}

class FileLogStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  // As another process, or after a crash: nothing is remembered.
  void Reopen(int64_t max_attempt_bytes = 1 << 20) {
    FileLogStore::Options options;
    options.root = root_ / "logs";
    options.max_attempt_bytes = max_attempt_bytes;
    options.sync_at_end = true;
    store_ = std::make_unique<FileLogStore>(options);
  }
  LogState Append(const std::vector<LogChunk>& chunks) {
    auto state = store_->Append(kRef, chunks);
    EXPECT_THAT(state, IsOk());
    return state.value_or(LogState{});
  }
  LogSlice Read(int64_t offset = 0, int64_t max_bytes = kAll, int64_t cursor = 0) {
    auto slice = store_->Read(kRef, offset, max_bytes, cursor);
    EXPECT_THAT(slice, IsOk());
    return slice.value_or(LogSlice{});
  }
  fs::path File() const { return root_ / "logs" / "34" / "4660" / "0" / "5.-1.2.log"; }

  const testing::TempDir temp_{"logstore"};
  const fs::path root_ = temp_.path();
  std::unique_ptr<FileLogStore> store_;
};

TEST_F(FileLogStoreTest, ReadsBackWhatWasWrittenInOrder) {
  const LogState state =
      Append({Out(0, "out "), {4, LogStream::kStderr, kAt, "err\xFF", false, false}});
  EXPECT_EQ(state.stored, 8);
  EXPECT_FALSE(state.ended);
  const LogSlice slice = Read();
  ASSERT_EQ(slice.records.size(), 2u);
  EXPECT_EQ(slice.records[0].offset, 0);
  EXPECT_EQ(slice.records[0].stream, LogStream::kStdout);
  EXPECT_EQ(slice.records[0].at, kAt);
  EXPECT_EQ(slice.records[1].stream, LogStream::kStderr);
  EXPECT_EQ(slice.records[1].bytes, "err\xFF");
  EXPECT_EQ(slice.next_offset, 8);
  EXPECT_FALSE(slice.ended);
}

TEST_F(FileLogStoreTest, NothingStoredIsEmptyNotAnError) {
  EXPECT_THAT(Read().records, IsEmpty());
  EXPECT_THAT(store_->Stat(kRef), IsOk());
  EXPECT_EQ(store_->Stat(kRef)->stored, 0);
  EXPECT_THAT(*store_->Runs(), IsEmpty());
  EXPECT_THAT(store_->DeleteRun(RunId(9)), IsOk());
}

TEST_F(FileLogStoreTest, SendingAgainDoesNoHarm) {
  Append({Out(0, "abc"), Out(3, "def")});
  Append({Out(0, "abc"), Out(3, "def"), Out(6, "ghi")});
  Append({Out(4, "efghijk")});
  EXPECT_EQ(Join(Read()), "abcdefghijk");
  Reopen();
  EXPECT_EQ(Append({Out(0, "abc")}).stored, 11);
  EXPECT_EQ(Join(Read()), "abcdefghijk");
}

TEST_F(FileLogStoreTest, AGapIsRefusedAndWhatCameBeforeItKept) {
  EXPECT_THAT(store_->Append(kRef, {Out(0, "abc"), Out(4, "e")}),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("only 3 are stored")));
  EXPECT_EQ(store_->Stat(kRef)->stored, 3);
  EXPECT_EQ(Append({Out(3, "de")}).stored, 5);
  EXPECT_EQ(Join(Read()), "abcde");
}

TEST_F(FileLogStoreTest, NothingFollowsTheEnd) {
  const LogState state = Append({Out(0, "abc"), End(3)});
  EXPECT_TRUE(state.ended);
  const LogState later = Append({Out(3, "more"), End(7)});
  EXPECT_EQ(later.stored, 3);
  EXPECT_EQ(later.acknowledged, 7);
  const LogSlice slice = Read();
  EXPECT_EQ(Join(slice), "abc");
  EXPECT_TRUE(slice.ended);
  EXPECT_TRUE(Read(3).ended);
  Reopen();
  EXPECT_TRUE(store_->Stat(kRef)->ended);
}

TEST_F(FileLogStoreTest, TheWritersTruncationIsShownWhereItHappened) {
  Append({{0, LogStream::kStdout, kAt, "abc", false, true}, End(3)});
  const LogSlice slice = Read();
  ASSERT_EQ(slice.records.size(), 1u);
  EXPECT_TRUE(slice.records[0].truncated);
  EXPECT_TRUE(store_->Stat(kRef)->truncated);
}

TEST_F(FileLogStoreTest, OutputBeyondTheLimitIsDroppedMarkedAndAcknowledged) {
  Reopen(10);
  Append({Out(0, "12345678")});
  const LogState state = Append({Out(8, "90too much")});
  EXPECT_EQ(state.stored, 10);
  EXPECT_EQ(state.acknowledged, 18);
  EXPECT_TRUE(state.truncated);
  Reopen(10);
  const LogState later = Append({Out(18, "and more"), End(26)});
  EXPECT_EQ(later.acknowledged, 26);
  EXPECT_TRUE(later.ended);
  const LogSlice slice = Read();
  EXPECT_EQ(Join(slice), "1234567890");
  EXPECT_TRUE(slice.records.back().truncated);
  EXPECT_TRUE(slice.ended);
}

TEST_F(FileLogStoreTest, ReadsFromAnyOffsetInPieces) {
  Append({Out(0, "abc"), Out(3, "defg"), Out(7, "hi"), End(9)});
  for (int64_t offset = 0; offset <= 9; ++offset) {
    EXPECT_EQ(Join(Read(offset)), std::string("abcdefghi").substr(static_cast<size_t>(offset)));
  }
  std::string text;
  LogSlice slice;
  for (int pieces = 0; !slice.ended && pieces < 20; ++pieces) {
    slice = Read(slice.next_offset, 1, slice.cursor);
    EXPECT_LE(slice.records.size(), 1u);
    text += Join(slice);
  }
  EXPECT_EQ(text, "abcdefghi");
}

TEST_F(FileLogStoreTest, FollowsAWriterByAskingAgain) {
  Append({Out(0, "abc")});
  LogSlice slice = Read();
  LogSlice nothing = Read(slice.next_offset, kAll, slice.cursor);
  EXPECT_THAT(nothing.records, IsEmpty());
  EXPECT_FALSE(nothing.ended);
  EXPECT_EQ(nothing.next_offset, 3);
  Append({Out(3, "def")});
  EXPECT_EQ(Join(Read(nothing.next_offset, kAll, nothing.cursor)), "def");
}

TEST_F(FileLogStoreTest, LargeChunksAreSplitIntoRecords) {
  Reopen(int64_t{1} << 30);
  const std::string large(3 * kMaxRecordBytes + 17, 'x');
  EXPECT_EQ(Append({Out(0, large), End(static_cast<int64_t>(large.size()))}).stored,
            static_cast<int64_t>(large.size()));
  EXPECT_EQ(Join(Read()), large);
}

TEST_F(FileLogStoreTest, ATornTailIsHiddenThenCut) {
  Append({Out(0, "abc"), Out(3, "def")});
  const auto whole = fs::file_size(File());
  for (const uintmax_t torn : {whole - 1, whole - 3, whole - 20, whole - 35}) {
    Reopen();
    Append({Out(0, "abcdef")});
    fs::resize_file(File(), torn);
    Reopen();
    EXPECT_EQ(Join(Read()), "abc") << torn;
    EXPECT_EQ(Append({Out(3, "def")}).stored, 6);
    EXPECT_EQ(Join(Read()), "abcdef");
    EXPECT_EQ(fs::file_size(File()), whole);
  }
}

TEST_F(FileLogStoreTest, ADamagedRecordEndsWhatCanBeRead) {
  Append({Out(0, "abc"), Out(3, "def")});
  {
    std::fstream file(File(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(2 * kHeaderBytes + 3 + 1));
    file.put('X');
  }
  Reopen();
  EXPECT_EQ(Join(Read()), "abc");
}

TEST_F(FileLogStoreTest, TwoStoresOnOneTreeSeeEachOther) {
  FileLogStore::Options options;
  options.root = root_ / "logs";
  FileLogStore other(options);
  Append({Out(0, "abc")});
  ASSERT_THAT(other.Append(kRef, {Out(0, "abc"), Out(3, "def")}), IsOk());
  EXPECT_EQ(Append({Out(3, "def"), Out(6, "ghi")}).stored, 9);
  ASSERT_THAT(other.Append(kRef, {Out(9, "j"), End(10)}), IsOk());
  EXPECT_TRUE(Append({Out(9, "j")}).ended);
  EXPECT_EQ(Join(Read()), "abcdefghij");
}

TEST_F(FileLogStoreTest, WritersThatOverlapKeepOneSequence) {
  const std::string text = "0123456789abcdefghijklmnopqrstuvwxyz";
  service::Executor threads({"writers", 3, 10});
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    ASSERT_TRUE(threads.TryPost([&, seed] {
      SplitMix64 random(seed);
      for (size_t at = 0; at < text.size();) {
        const size_t step = 1 + random.Below(5);
        const std::string_view piece = std::string_view(text).substr(at, step);
        ASSERT_THAT(store_->Append(kRef, {Out(static_cast<int64_t>(at), piece)}), IsOk());
        ASSERT_THAT(store_->Read(kRef, 0, kAll, 0), IsOk());
        at += piece.size();
      }
    }));
  }
  threads.Shutdown();
  EXPECT_EQ(Join(Read()), text);
}

TEST_F(FileLogStoreTest, DeletesAndListsRuns) {
  Append({Out(0, "abc")});
  ASSERT_THAT(store_->Append({RunId(7), 123'456, 3, 0}, {Out(0, "x")}), IsOk());
  EXPECT_THAT(*store_->Runs(), UnorderedElementsAre(RunId(7), RunId(0x1234)));
  EXPECT_THAT(store_->DeleteRun(kRef.run), IsOk());
  EXPECT_THAT(*store_->Runs(), ElementsAre(RunId(7)));
  EXPECT_EQ(store_->Stat(kRef)->stored, 0);
  EXPECT_EQ(Append({Out(0, "new")}).stored, 3);
  EXPECT_EQ(Join(Read()), "new");
}

TEST_F(FileLogStoreTest, RefusesWhatIsNoAttemptOrOffset) {
  for (const AttemptRef& ref : {AttemptRef{RunId(0), 1, -1, 1}, AttemptRef{RunId(-5), 1, -1, 1},
                                AttemptRef{RunId(1), -1, -1, 1}, AttemptRef{RunId(1), 1, -2, 1},
                                AttemptRef{RunId(1), 1, -1, -1}}) {
    EXPECT_THAT(store_->Append(ref, {}), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(store_->Read(ref, 0, 1, 0), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(store_->Stat(ref), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(store_->DeleteRun(RunId(0)), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store_->Append(kRef, {Out(-1, "a")}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store_->Append(kRef, {Out(INT64_MAX, "a")}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store_->Read(kRef, -1, 1, 0), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(FileLogStoreTest, AFileInTheWayIsAnErrorNotACrash) {
  std::ofstream(root_ / "logs") << "a file";
  EXPECT_THAT(store_->Append(kRef, {Out(0, "a")}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(store_->Runs().ok());
}

TEST_F(FileLogStoreTest, DoesNotFollowLinks) {
  fs::create_directories(File().parent_path());
  fs::create_symlink(root_ / "elsewhere", File());
  EXPECT_FALSE(store_->Append(kRef, {Out(0, "a")}).ok());
  EXPECT_FALSE(fs::exists(root_ / "elsewhere"));
}

TEST(RecordFormatTest, HeadersComeBack) {
  std::string bytes;
  RecordHeader header;
  header.offset = 1'234'567'890'123;
  header.at_us = -5;
  header.stream = LogStream::kSystem;
  header.truncated = true;
  AppendRecord(header, "content", &bytes);
  EXPECT_TRUE(MatchesChecksum(bytes));
  const auto back = ParseHeader(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->length, 7u);
  EXPECT_EQ(back->offset, header.offset);
  EXPECT_EQ(back->at_us, -5);
  EXPECT_EQ(back->stream, LogStream::kSystem);
  EXPECT_TRUE(back->truncated);
  EXPECT_FALSE(back->end);
  EXPECT_FALSE(ParseHeader("short").has_value());
  EXPECT_FALSE(ParseHeader(std::string(kHeaderBytes, '\0')).has_value());
}

}  // namespace
}  // namespace penstock::logstore
