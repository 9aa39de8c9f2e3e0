#pragma once
// The output of attempts on its way to the log store: bounded in memory, kept until acknowledged.
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "worker/core/attempt.h"
#include "worker/exec/launch_spec.h"

namespace penstock::worker {

// A stretch of one attempt's output; offsets count its bytes over both streams.
struct LogChunk {
  AttemptKey key;
  int64_t offset = 0;
  exec::LogPiece piece;
};

// Rules:
//  * An attempt whose buffer is full, or any attempt while all buffers together are, is paused: its
//    process waits, nothing is lost. It goes on at half.
//  * When the store has taken nothing of it for `patience`, a paused attempt goes on all the same,
//    and what does not fit is dropped and marked: logs never stop work for good.
//  * Chunks are sent in order; those not acknowledged are sent again after Restart.
// Not thread-safe.
class LogBuffer {
 public:
  struct Options {
    size_t max_bytes_per_attempt = 1 << 20;
    size_t max_bytes = 64 << 20;
    size_t max_chunk_bytes = 64 << 10;
    // Sent and not acknowledged; the rest waits here and not in the stream.
    size_t window_bytes = 4 << 20;
    absl::Duration patience = absl::Seconds(30);
  };

  explicit LogBuffer(Options options) : options_(options) {}

  // Attempts to pause (true) or to resume come out of the calls below.
  using Pauses = std::vector<std::pair<AttemptKey, bool>>;

  void Append(const AttemptKey& key, exec::LogPiece piece, SteadyTime now, Pauses* pauses);
  // The next chunks to send, about `max_bytes` at most, within the window. Empty = nothing to send.
  std::vector<LogChunk> Take(size_t max_bytes);
  // Everything below `stored` is safe; `ended` = all of the attempt is.
  void Acknowledge(const AttemptKey& key, int64_t stored, bool ended, SteadyTime now,
                   Pauses* pauses);
  // The stream is a new one: what is not acknowledged must be sent again.
  void Restart();
  // Lets attempts go on that have been paused for too long.
  void Tick(SteadyTime now, Pauses* pauses);

  bool IsPaused(const AttemptKey& key) const;
  // Nothing waits to be sent or acknowledged.
  bool empty() const { return attempts_.empty(); }
  size_t bytes() const { return bytes_; }
  int64_t dropped_bytes() const { return dropped_bytes_; }

 private:
  struct Attempt {
    std::deque<LogChunk> chunks;  // not acknowledged
    size_t sent = 0;              // how many of them were sent
    int64_t next_offset = 0;
    size_t bytes = 0;
    size_t window = 0;    // of the sent ones
    bool listed = false;  // in to_send_
    bool paused = false;
    bool dropping = false;
    bool ended = false;
    SteadyTime progress_at;  // of the latest acknowledgement, or of the pause
  };

  static size_t CostOf(const LogChunk& chunk);
  void Add(const AttemptKey& key, Attempt& attempt, exec::LogPiece piece);
  void AddPart(const AttemptKey& key, Attempt& attempt, exec::LogPiece piece);
  void MarkDrop(const AttemptKey& key, Attempt& attempt, int64_t at_us);
  void List(const AttemptKey& key, Attempt& attempt);
  bool Full(const Attempt& attempt) const;
  void Relieve(const AttemptKey& key, Attempt& attempt, Pauses* pauses);

  const Options options_;
  absl::flat_hash_map<AttemptKey, Attempt> attempts_;
  std::deque<AttemptKey> to_send_;  // attempts with unsent chunks, in turn
  size_t bytes_ = 0;
  size_t window_ = 0;
  int paused_ = 0;
  int64_t dropped_bytes_ = 0;
};

}  // namespace penstock::worker
