#pragma once
// What both ends of a connection agree on.

namespace penstock::rpc {

// What a peer may send on a stream before it has been read. gRPC otherwise measures the connection
// to choose it, with a ping after nearly every message: on a quiet connection that ping, its answer
// and the threads they wake were a sixth of the time between two tasks.
inline constexpr int kStreamWindowBytes = 1 << 20;

}  // namespace penstock::rpc
