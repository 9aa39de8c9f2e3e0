#pragma once
// The deadlock detector of Abseil's mutex, which gRPC locks with.

namespace penstock::rpc {

// Debian builds Abseil with the detector on: each lock that gRPC takes then goes through a graph of
// all locks behind one spin lock of the process. Turns it off, for good; may come again.
// Thread-safe.
void StopLockOrderChecks();

}  // namespace penstock::rpc
