#pragma once
// The DAGs that are measured.
#include <string>
#include <string_view>

namespace penstock::bench {

// A task that makes the whole trip to a worker and back without a process.
inline constexpr std::string_view kTrip = "noop: {on: worker}";

// `tasks` tasks without edges.
std::string Wide(std::string_view dag, int tasks, std::string_view what);
// Each task needs the one before it.
std::string Chain(std::string_view dag, int tasks, std::string_view what);
// `layers` layers of `width`; each task needs three of the layer before.
std::string Layered(std::string_view dag, int layers, int width, std::string_view what);
// One task, `width` that need it, one that needs them all.
std::string FanOutIn(std::string_view dag, int width, std::string_view what);
// `tasks` tasks that need one task which sleeps for `seconds`.
std::string Gated(std::string_view dag, int tasks, int seconds);

}  // namespace penstock::bench
