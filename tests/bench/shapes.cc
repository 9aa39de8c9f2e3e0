#include "tests/bench/shapes.h"

#include <iterator>

#include "fmt/format.h"

namespace penstock::bench {
namespace {

// As many runs at once as are triggered: the limit is not what is measured.
std::string Head(std::string_view dag) {
  return fmt::format("dag: {}\nmax_active_runs: 100000\ntasks:\n", dag);
}

}  // namespace

std::string Wide(std::string_view dag, int tasks, std::string_view what) {
  std::string yaml = Head(dag);
  for (int i = 0; i < tasks; ++i) {
    fmt::format_to(std::back_inserter(yaml), "  t{}: {{{}}}\n", i, what);
  }
  return yaml;
}

std::string Chain(std::string_view dag, int tasks, std::string_view what) {
  std::string yaml = fmt::format("{}  t0: {{{}}}\n", Head(dag), what);
  for (int i = 1; i < tasks; ++i) {
    fmt::format_to(std::back_inserter(yaml), "  t{}: {{needs: [t{}], {}}}\n", i, i - 1, what);
  }
  return yaml;
}

std::string Layered(std::string_view dag, int layers, int width, std::string_view what) {
  std::string yaml = Head(dag);
  for (int x = 0; x < width; ++x) {
    fmt::format_to(std::back_inserter(yaml), "  t0_{}: {{{}}}\n", x, what);
  }
  for (int y = 1; y < layers; ++y) {
    for (int x = 0; x < width; ++x) {
      fmt::format_to(std::back_inserter(yaml),
                     "  t{0}_{1}: {{needs: [t{2}_{1}, t{2}_{3}, t{2}_{4}], {5}}}\n", y, x, y - 1,
                     (x + 1) % width, (x + 2) % width, what);
    }
  }
  return yaml;
}

std::string FanOutIn(std::string_view dag, int width, std::string_view what) {
  std::string yaml = fmt::format("{}  first: {{{}}}\n", Head(dag), what);
  std::string all;
  for (int i = 0; i < width; ++i) {
    fmt::format_to(std::back_inserter(yaml), "  t{}: {{needs: [first], {}}}\n", i, what);
    fmt::format_to(std::back_inserter(all), "{}t{}", i == 0 ? "" : ", ", i);
  }
  return yaml + fmt::format("  last: {{needs: [{}], {}}}\n", all, what);
}

std::string Gated(std::string_view dag, int tasks, int seconds) {
  std::string yaml = fmt::format("{}  gate: {{sh: sleep {}}}\n", Head(dag), seconds);
  for (int i = 0; i < tasks; ++i) {
    fmt::format_to(std::back_inserter(yaml), "  t{}: {{needs: [gate], noop: {{}}}}\n", i);
  }
  return yaml;
}

}  // namespace penstock::bench
