#include "worker/session/log_buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"

namespace penstock::worker {
namespace {

using exec::LogPiece;
using exec::LogStream;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

AttemptKey Key(int64_t run) { return {RunId(run), 0, -1, 1}; }
SteadyTime At(int64_t seconds) { return SteadyTime::FromMicros(seconds * 1'000'000); }

LogPiece Piece(std::string bytes, LogStream stream = LogStream::kStdout) {
  return {stream, 1, std::move(bytes), false, false};
}
LogPiece End() { return {LogStream::kSystem, 1, "", false, true}; }

class LogBufferTest : public testing::Test {
 protected:
  static LogBuffer::Options Small() {
    LogBuffer::Options options;
    options.max_bytes_per_attempt = 1000;
    options.max_bytes = 3000;
    options.max_chunk_bytes = 100;
    options.window_bytes = 500;
    return options;
  }
  LogBuffer::Pauses Append(int64_t run, LogPiece piece, int64_t at = 0) {
    LogBuffer::Pauses pauses;
    buffer_.Append(Key(run), std::move(piece), At(at), &pauses);
    return pauses;
  }
  LogBuffer::Pauses Acknowledge(int64_t run, int64_t stored, bool ended = false, int64_t at = 0) {
    LogBuffer::Pauses pauses;
    buffer_.Acknowledge(Key(run), stored, ended, At(at), &pauses);
    return pauses;
  }

  LogBuffer buffer_{Small()};
};

TEST_F(LogBufferTest, JoinsWhatBelongsTogether) {
  Append(1, Piece("one "));
  Append(1, Piece("two"));
  Append(1, Piece("three", LogStream::kStderr));
  Append(1, End());
  const auto chunks = buffer_.Take(10'000);
  ASSERT_THAT(chunks, SizeIs(2));
  EXPECT_EQ(chunks[0].piece.bytes, "one two");
  EXPECT_EQ(chunks[1].offset, 7);
  EXPECT_EQ(chunks[1].piece.bytes, "three");
  EXPECT_TRUE(chunks[1].piece.end);
  EXPECT_THAT(buffer_.Take(10'000), IsEmpty());
}

TEST_F(LogBufferTest, ASilentAttemptLeavesNothing) {
  Append(1, End());
  EXPECT_TRUE(buffer_.empty());
}

TEST_F(LogBufferTest, KeepsUntilAcknowledgedAndSendsAgainAfterARestart) {
  Append(1, Piece("abc"));
  EXPECT_THAT(buffer_.Take(100), SizeIs(1));
  Append(1, Piece("def"));
  Append(1, End());
  EXPECT_THAT(buffer_.Take(100), SizeIs(1));
  Acknowledge(1, 3);
  buffer_.Restart();
  const auto again = buffer_.Take(100);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].offset, 3);
  EXPECT_EQ(again[0].piece.bytes, "def");
  Acknowledge(1, 6);
  EXPECT_FALSE(buffer_.empty()) << "the end is not confirmed yet";
  Acknowledge(1, 6, true);
  EXPECT_TRUE(buffer_.empty());
  EXPECT_EQ(buffer_.bytes(), 0u);
}

TEST_F(LogBufferTest, PausesAFullAttemptUntilHalfIsStored) {
  EXPECT_THAT(Append(1, Piece(std::string(500, 'x'))), IsEmpty());
  EXPECT_THAT(Append(1, Piece(std::string(500, 'x'))), ElementsAre(Pair(Key(1), true)));
  EXPECT_TRUE(buffer_.IsPaused(Key(1)));
  buffer_.Take(10'000);
  EXPECT_THAT(Acknowledge(1, 100), IsEmpty());
  buffer_.Take(10'000);
  Acknowledge(1, 400);
  buffer_.Take(10'000);
  EXPECT_THAT(Acknowledge(1, 800), ElementsAre(Pair(Key(1), false)));
}

TEST_F(LogBufferTest, SendsNoMoreThanTheWindow) {
  Append(1, Piece(std::string(900, 'x')));
  EXPECT_THAT(buffer_.Take(10'000), SizeIs(4));
  EXPECT_THAT(buffer_.Take(10'000), IsEmpty());
  Acknowledge(1, 200);
  EXPECT_THAT(buffer_.Take(10'000), SizeIs(2));
}

TEST_F(LogBufferTest, LetsATaskGoOnWhenTheStoreStaysAway) {
  EXPECT_THAT(Append(1, Piece(std::string(1100, 'x')), 100), SizeIs(1));
  LogBuffer::Pauses pauses;
  buffer_.Tick(At(129), &pauses);
  EXPECT_THAT(pauses, IsEmpty());
  buffer_.Tick(At(130), &pauses);
  EXPECT_THAT(pauses, ElementsAre(Pair(Key(1), false)));
  const size_t before = buffer_.bytes();
  for (int i = 0; i < 100; ++i) EXPECT_THAT(Append(1, Piece(std::string(1000, 'y'))), IsEmpty());
  EXPECT_LE(buffer_.bytes(), before + 200);
  EXPECT_EQ(buffer_.dropped_bytes(), 100'000);
  Append(1, End());
  bool truncated = false;
  bool ended = false;
  int64_t stored = 0;
  for (auto chunks = buffer_.Take(10'000); !chunks.empty(); chunks = buffer_.Take(10'000)) {
    for (const LogChunk& chunk : chunks) {
      EXPECT_EQ(chunk.offset, stored);
      stored += static_cast<int64_t>(chunk.piece.bytes.size());
      truncated |= chunk.piece.truncated;
      ended |= chunk.piece.end;
    }
    Acknowledge(1, stored, ended);
  }
  EXPECT_TRUE(truncated);
  EXPECT_TRUE(ended);
  EXPECT_TRUE(buffer_.empty());
}

// Any order of appends, sends, acknowledgements and new streams: the store gets every byte that was
// not dropped, in order, and memory stays bounded.
TEST_F(LogBufferTest, DeliversEverythingInOrder) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SplitMix64 random(seed);
    LogBuffer buffer(Small());
    std::string written;
    std::string stored;
    bool paused = false;
    bool ended = false;
    const auto ship = [&] {
      LogBuffer::Pauses pauses;
      for (const LogChunk& chunk : buffer.Take(300)) {
        const auto have = static_cast<int64_t>(stored.size());
        ASSERT_LE(chunk.offset, have) << "a gap";
        const auto skip = static_cast<size_t>(have - chunk.offset);
        if (skip < chunk.piece.bytes.size()) stored += chunk.piece.bytes.substr(skip);
        ended |= chunk.piece.end;
      }
      if (random.OneIn(3)) return;
      buffer.Acknowledge(Key(1), static_cast<int64_t>(stored.size()), ended, At(0), &pauses);
      for (const auto& [key, now] : pauses) paused = now;
    };
    for (int step = 0; step < 300; ++step) {
      LogBuffer::Pauses pauses;
      if (!paused && random.OneIn(2)) {
        const std::string bytes(random.Below(250), static_cast<char>('a' + step % 26));
        written += bytes;
        buffer.Append(Key(1),
                      Piece(bytes, random.OneIn(3) ? LogStream::kStderr : LogStream::kStdout),
                      At(0), &pauses);
      } else if (random.OneIn(20)) {
        buffer.Restart();
      } else {
        ship();
      }
      for (const auto& [key, now] : pauses) paused = now;
      EXPECT_LE(buffer.bytes(), 2500u);
    }
    LogBuffer::Pauses pauses;
    buffer.Append(Key(1), End(), At(0), &pauses);
    for (int i = 0; i < 1000 && !buffer.empty(); ++i) {
      if (random.OneIn(10)) buffer.Restart();
      ship();
    }
    EXPECT_TRUE(buffer.empty());
    EXPECT_EQ(stored, written);
  }
}

}  // namespace
}  // namespace penstock::worker
