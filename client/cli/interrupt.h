#pragma once
// Ctrl-C while something is watched: a request to stop watching, not the end of the process.

namespace penstock::client {

// While it lives, the first SIGINT only sets Interrupted(); a second one ends the process. At most
// one at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

// Whether a SIGINT came since the last InterruptGuard was made.
bool Interrupted();

}  // namespace penstock::client
