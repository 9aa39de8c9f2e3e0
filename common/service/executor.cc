#include "common/service/executor.h"

#include <fmt/core.h>

#include <utility>

#include "common/base/check.h"

namespace penstock::service {

Executor::Executor(const Options& options) : max_queue_(options.max_queue) {
  PENSTOCK_CHECK(options.threads > 0, "an executor needs a thread");
  MutexLock lock(&join_mu_);
  for (int i = 0; i < options.threads; ++i) {
    threads_.push_back(
        std::make_unique<Thread>(fmt::format("{}-{}", options.name, i), [this] { Work(); }));
  }
}

Executor::~Executor() { Shutdown(Pending::kDrop); }

bool Executor::TryPost(std::function<void()> job) {
  return Post(std::move(job),
              [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return queue_.size() < max_queue_; });
}

bool Executor::TryPostToIdle(std::function<void()> job) {
  return Post(std::move(job), [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return queue_.size() < static_cast<size_t>(idle_);
  });
}

template <typename HasRoom>
bool Executor::Post(std::function<void()> job, const HasRoom& has_room) {
  bool wake = false;
  {
    MutexLock lock(&mu_);
    if (stopped_ || !has_room()) return false;
    queue_.push_back(std::move(job));
    wake = WantsThread();
  }
  if (wake) ready_.Signal();  // without the lock, which the thread needs first
  return true;
}

// Waking a thread costs more than many a job: one at a time, and each that comes decides whether
// there is work for another.
bool Executor::WantsThread() {
  if (queue_.empty() || idle_ == 0 || waking_) return false;
  waking_ = true;
  return true;
}

void Executor::Shutdown(Pending pending) {
  std::deque<std::function<void()>> dropped;  // destroyed without the lock: jobs own things
  {
    MutexLock lock(&mu_);
    if (!stopped_ && pending == Pending::kDrop) dropped.swap(queue_);
    stopped_ = true;
    ready_.SignalAll();
  }
  MutexLock lock(&join_mu_);
  threads_.clear();
}

bool Executor::stopped() const {
  MutexLock lock(&mu_);
  return stopped_;
}

size_t Executor::QueueLength() const {
  MutexLock lock(&mu_);
  return queue_.size();
}

void Executor::Work() {
  std::function<void()> job;
  while (Next(&job)) {
    job();
    job = nullptr;  // whatever it owns ends here, not when the next job arrives
  }
}

bool Executor::Next(std::function<void()>* job) {
  bool wake = false;
  {
    MutexLock lock(&mu_);
    while (queue_.empty() && !stopped_) {
      ++idle_;
      ready_.Wait(&mu_);
      --idle_;
      waking_ = false;
    }
    if (queue_.empty()) return false;
    *job = std::move(queue_.front());
    queue_.pop_front();
    wake = WantsThread();
  }
  if (wake) ready_.Signal();
  return true;
}

class Strand::State : public std::enable_shared_from_this<Strand::State> {
 public:
  State(Executor& executor, size_t max_queue) : executor_(executor), max_queue_(max_queue) {}

  bool TryPost(std::function<void()> job) {
    if (executor_.stopped()) return false;
    MutexLock lock(&mu_);
    if (queue_.size() >= max_queue_) return false;
    if (!scheduled_ && !Schedule()) return false;
    scheduled_ = true;
    queue_.push_back(std::move(job));
    return true;
  }

  size_t QueueLength() const {
    MutexLock lock(&mu_);
    return queue_.size();
  }

 private:
  // One turn runs a few jobs and then queues again, so that a busy strand does not keep a thread.
  static constexpr int kJobsPerTurn = 16;

  // A turn in the executor's queue. Should it be dropped there, the strand's jobs go with it: they
  // may own what owns the strand.
  class Ticket {
   public:
    explicit Ticket(std::shared_ptr<State> state) : state_(std::move(state)) {}
    ~Ticket() {
      if (state_ != nullptr) state_->Drop();
    }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    std::shared_ptr<State> Use() { return std::exchange(state_, nullptr); }

   private:
    std::shared_ptr<State> state_;  // shared with the strand
  };

  bool Schedule() {
    const auto ticket = std::make_shared<Ticket>(shared_from_this());
    if (executor_.TryPost([ticket] { ticket->Use()->Turn(); })) return true;
    ticket->Use();
    return false;
  }

  void Drop() {
    std::deque<std::function<void()>> dropped;  // destroyed without the lock
    MutexLock lock(&mu_);
    dropped.swap(queue_);
    scheduled_ = false;
  }

  void Turn() {
    int done = 0;
    for (std::function<void()> job; Next(&job); job = nullptr) {
      job();
      // A full executor refuses the next turn: then this one goes on.
      if (++done % kJobsPerTurn == 0 && Schedule()) return;
    }
  }

  // Ends the turn (false) when nothing waits.
  bool Next(std::function<void()>* job) {
    MutexLock lock(&mu_);
    scheduled_ = !queue_.empty();
    if (!scheduled_) return false;
    *job = std::move(queue_.front());
    queue_.pop_front();
    return true;
  }

  Executor& executor_;
  const size_t max_queue_;
  mutable Mutex mu_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mu_);
  bool scheduled_ ABSL_GUARDED_BY(mu_) = false;
};

Strand::Strand(Executor& executor, size_t max_queue)
    : state_(std::make_shared<State>(executor, max_queue)) {}

Strand::~Strand() = default;

bool Strand::TryPost(std::function<void()> job) { return state_->TryPost(std::move(job)); }

size_t Strand::QueueLength() const { return state_->QueueLength(); }

}  // namespace penstock::service
