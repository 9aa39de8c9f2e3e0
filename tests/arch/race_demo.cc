// A deliberate data race in a plain class: two threads, one counter, no lock. Only the tsan build
// runs it, and passes only if ThreadSanitizer reports it in spite of tests/tsan.supp. That is the
// proof that a race in our own plain classes would be seen.
#include <fmt/core.h>

#include "common/service/thread.h"

namespace {

class RacyCounter {
 public:
  void Add() { ++count_; }
  int count() const { return count_; }

 private:
  int count_ = 0;
};

}  // namespace

int main() {
  RacyCounter counter;
  const auto add = [&counter] {
    for (int i = 0; i < 10'000; ++i) counter.Add();
  };
  penstock::service::Thread one("racer-1", add);
  penstock::service::Thread two("racer-2", add);
  one.Join();
  two.Join();
  fmt::print("counted to {}\n", counter.count());
  return 0;
}
