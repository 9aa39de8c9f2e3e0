#pragma once
// What both ends of a connection agree on.

namespace penstock::rpc {

// What a peer may send on a stream before it has been read. gRPC otherwise measures the connection
// to choose it, with a ping after nearly every message: on a quiet connection that ping, its answer
// and the threads they wake come between a message and what it leads to.
inline constexpr int kStreamWindowBytes = 1 << 20;

}  // namespace penstock::rpc
