#pragma once
// What waits to be written to one stream, bounded by count and bytes.
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

namespace penstock::rpc {

// A single message larger than `max_bytes` is taken when the queue is empty, so that it can pass.
struct QueueLimits {
  size_t max_messages = 1024;
  size_t max_bytes = 8 << 20;
};

// Not thread-safe.
template <typename Message>
class OutQueue {
 public:
  using SizeOf = std::function<size_t(const Message&)>;
  // Moves the contents of `next` into the waiting `last` and returns true, or leaves both alone and
  // returns false. Batching: messages are what a stream is limited by, not bytes.
  using Merge = std::function<bool(Message& last, Message& next)>;

  // `merge` may be empty: then nothing is merged.
  OutQueue(const QueueLimits& limits, SizeOf size_of, Merge merge)
      : limits_(limits), size_of_(std::move(size_of)), merge_(std::move(merge)) {}

  // False when full; the message is dropped and the refusal remembered for TakeWritable.
  bool Push(Message message) {
    const size_t bytes = size_of_(message);
    if (!queue_.empty() && bytes_ + bytes > limits_.max_bytes) return Refuse();
    if (!queue_.empty() && merge_ && merge_(queue_.back().message, message)) {
      queue_.back().bytes += bytes;
    } else {
      if (queue_.size() >= limits_.max_messages) return Refuse();
      queue_.push_back({std::move(message), bytes});
    }
    bytes_ += bytes;
    return true;
  }

  std::optional<Message> Pop() {
    if (queue_.empty()) return std::nullopt;
    std::optional<Message> message(std::move(queue_.front().message));
    bytes_ -= queue_.front().bytes;
    queue_.pop_front();
    return message;
  }

  // True once after a refused Push, as soon as the queue is at most half full again.
  bool TakeWritable() {
    if (!refused_ || queue_.size() > limits_.max_messages / 2 || bytes_ > limits_.max_bytes / 2) {
      return false;
    }
    refused_ = false;
    return true;
  }

  void Clear() {
    queue_.clear();
    bytes_ = 0;
  }
  size_t size() const { return queue_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Item {
    Message message;
    size_t bytes;
  };

  bool Refuse() {
    refused_ = true;
    return false;
  }

  const QueueLimits limits_;
  const SizeOf size_of_;
  const Merge merge_;
  std::deque<Item> queue_;
  size_t bytes_ = 0;
  bool refused_ = false;
};

}  // namespace penstock::rpc
