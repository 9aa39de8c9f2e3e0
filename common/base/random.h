#pragma once
// Randomness. Pure code is given a seeded SplitMix64; ids come from RandomId().
#include <cstdint>

namespace penstock {

// Small deterministic generator: the same seed gives the same sequence on every machine.
class SplitMix64 {
 public:
  explicit constexpr SplitMix64(uint64_t seed) : state_(seed) {}
  constexpr uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // Uniform enough in [0, bound); 0 when bound is 0.
  constexpr uint64_t Below(uint64_t bound) { return bound == 0 ? 0 : Next() % bound; }
  // In [0, 1).
  constexpr double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  // True once in `n`; never when n is 0.
  constexpr bool OneIn(uint64_t n) { return n != 0 && Below(n) == 0; }

 private:
  uint64_t state_;
};

// A random positive 63-bit number from the operating system. Thread-safe.
int64_t RandomId();

}  // namespace penstock
