#include "worker/session/log_buffer.h"

#include <algorithm>
#include <utility>

namespace penstock::worker {

namespace {

constexpr size_t kChunkOverhead = 64;

}  // namespace

size_t LogBuffer::CostOf(const LogChunk& chunk) {
  return chunk.piece.bytes.size() + kChunkOverhead;
}

void LogBuffer::Append(const AttemptKey& key, exec::LogPiece piece, SteadyTime now,
                       Pauses* pauses) {
  const bool is_silent = piece.bytes.empty() && !piece.truncated;
  const auto known = attempts_.find(key);
  // An attempt that said nothing leaves nothing, not even its end.
  if (known == attempts_.end() && is_silent) return;
  Attempt& attempt = known == attempts_.end() ? attempts_[key] : known->second;
  if (attempt.ended) return;
  attempt.ended = piece.end;
  if (attempt.dropping && !piece.bytes.empty()) {
    dropped_bytes_ += static_cast<int64_t>(piece.bytes.size());
    MarkDrop(key, attempt, piece.at_us);
    piece.bytes.clear();
    if (!piece.end && !piece.truncated) return;
  }
  Add(key, attempt, std::move(piece));
  List(key, attempt);
  if (attempt.paused || attempt.ended || attempt.dropping || !Full(attempt)) return;
  attempt.paused = true;
  ++paused_;
  attempt.progress_at = now;
  pauses->emplace_back(key, true);
}

// Joins it to the last chunk where that is possible, cuts it where it is too long.
void LogBuffer::Add(const AttemptKey& key, Attempt& attempt, exec::LogPiece piece) {
  const size_t max = options_.max_chunk_bytes;
  while (piece.bytes.size() > max) {
    exec::LogPiece part;
    part.stream = piece.stream;
    part.at_us = piece.at_us;
    part.bytes = piece.bytes.substr(0, max);
    piece.bytes.erase(0, max);
    AddPart(key, attempt, std::move(part));
  }
  AddPart(key, attempt, std::move(piece));
}

void LogBuffer::AddPart(const AttemptKey& key, Attempt& attempt, exec::LogPiece piece) {
  const auto size = piece.bytes.size();
  const bool open = attempt.chunks.size() > attempt.sent && !attempt.chunks.back().piece.truncated;
  if (open) {
    exec::LogPiece& last = attempt.chunks.back().piece;
    if (size == 0 ||
        (last.stream == piece.stream && last.bytes.size() + size <= options_.max_chunk_bytes)) {
      last.bytes += piece.bytes;
      last.truncated |= piece.truncated;
      last.end |= piece.end;
      attempt.next_offset += static_cast<int64_t>(size);
      attempt.bytes += size;
      bytes_ += size;
      return;
    }
  }
  LogChunk chunk{key, attempt.next_offset, std::move(piece)};
  attempt.next_offset += static_cast<int64_t>(size);
  attempt.bytes += CostOf(chunk);
  bytes_ += CostOf(chunk);
  attempt.chunks.push_back(std::move(chunk));
}

// Says once per gap that something is missing here.
void LogBuffer::MarkDrop(const AttemptKey& key, Attempt& attempt, int64_t at_us) {
  if (!attempt.chunks.empty() && attempt.chunks.back().piece.truncated) return;
  exec::LogPiece mark;
  mark.stream = exec::LogStream::kSystem;
  mark.at_us = at_us;
  mark.truncated = true;
  AddPart(key, attempt, std::move(mark));
  List(key, attempt);
}

void LogBuffer::List(const AttemptKey& key, Attempt& attempt) {
  if (attempt.listed || attempt.sent == attempt.chunks.size()) return;
  attempt.listed = true;
  to_send_.push_back(key);
}

bool LogBuffer::Full(const Attempt& attempt) const {
  return attempt.bytes >= options_.max_bytes_per_attempt || bytes_ >= options_.max_bytes;
}

std::vector<LogChunk> LogBuffer::Take(size_t max_bytes) {
  std::vector<LogChunk> chunks;
  size_t taken = 0;
  while (!to_send_.empty() && taken < max_bytes && window_ < options_.window_bytes) {
    const AttemptKey key = to_send_.front();
    to_send_.pop_front();
    const auto it = attempts_.find(key);
    if (it == attempts_.end()) continue;
    Attempt& attempt = it->second;
    attempt.listed = false;
    while (attempt.sent < attempt.chunks.size() && taken < max_bytes &&
           window_ < options_.window_bytes) {
      const LogChunk& chunk = attempt.chunks[attempt.sent++];
      const size_t cost = CostOf(chunk);
      taken += cost;
      window_ += cost;
      attempt.window += cost;
      chunks.push_back(chunk);
    }
    List(key, attempt);
  }
  return chunks;
}

void LogBuffer::Acknowledge(const AttemptKey& key, int64_t stored, bool ended, SteadyTime now,
                            Pauses* pauses) {
  const auto it = attempts_.find(key);
  if (it == attempts_.end()) return;
  Attempt& attempt = it->second;
  attempt.progress_at = now;
  // The end's chunk, and marks without bytes, are done only when their own send is confirmed.
  while (attempt.sent > 0) {
    const LogChunk& first = attempt.chunks.front();
    const auto size = static_cast<int64_t>(first.piece.bytes.size());
    const bool safe = first.piece.end ? ended : first.offset + size <= stored;
    if (!safe) break;
    const size_t cost = CostOf(first);
    attempt.window -= cost;
    window_ -= cost;
    attempt.bytes -= cost;
    bytes_ -= cost;
    attempt.chunks.pop_front();
    --attempt.sent;
  }
  if (attempt.chunks.empty()) attempt.dropping = false;
  Relieve(key, attempt, pauses);
  if (attempt.ended && attempt.chunks.empty()) attempts_.erase(key);
}

void LogBuffer::Relieve(const AttemptKey& key, Attempt& attempt, Pauses* pauses) {
  if (attempt.bytes > options_.max_bytes_per_attempt / 2 || bytes_ > options_.max_bytes / 2) return;
  if (attempt.paused) {
    attempt.paused = false;
    --paused_;
    pauses->emplace_back(key, false);
  }
}

bool LogBuffer::IsPaused(const AttemptKey& key) const {
  const auto it = attempts_.find(key);
  return it != attempts_.end() && it->second.paused;
}

void LogBuffer::Restart() {
  to_send_.clear();
  window_ = 0;
  std::vector<AttemptKey> keys;
  for (auto& [key, attempt] : attempts_) {
    attempt.sent = 0;
    attempt.window = 0;
    attempt.listed = false;
    keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  for (const AttemptKey& key : keys) List(key, attempts_.find(key)->second);
}

void LogBuffer::Tick(SteadyTime now, Pauses* pauses) {
  if (paused_ == 0) return;
  for (auto& [key, attempt] : attempts_) {
    if (!attempt.paused) continue;
    // Others may have made room since.
    Relieve(key, attempt, pauses);
    if (!attempt.paused || now - attempt.progress_at < options_.patience) continue;
    attempt.paused = false;
    --paused_;
    attempt.dropping = true;
    pauses->emplace_back(key, false);
  }
}

}  // namespace penstock::worker
