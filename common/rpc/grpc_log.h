#pragma once
// gRPC's own log lines.

namespace penstock::rpc {

// From now on gRPC's lines go through obs/log.h instead of straight to standard error: its errors
// as warnings (a peer that cannot be reached is our business, and logged where it is handled), the
// rest as debug. Call it once, at the start of the process.
void RouteGrpcLog();

}  // namespace penstock::rpc
