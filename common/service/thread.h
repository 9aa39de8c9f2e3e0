#pragma once
// A named thread that is joined, never detached. Every thread of a Penstock process is one of
// these.
#include <functional>
#include <string>
#include <thread>

namespace penstock::service {

// Runs `body` at once on its own thread. The destructor joins, so whatever makes `body` return must
// have happened by then. Not thread-safe: one owner. Thread names are cut to 15 bytes (Linux).
class Thread {
 public:
  Thread(const std::string& name, std::function<void()> body);
  ~Thread();
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // Waits for the end of `body`; may come twice. Never call it from the thread itself.
  void Join();

 private:
  std::thread thread_;
};

}  // namespace penstock::service
