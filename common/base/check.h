#pragma once
// PENSTOCK_CHECK(condition, "what must hold"): ends the process when a state that code alone can
// reach is impossible. Outside input must never be able to reach one.
#include <cstdio>
#include <cstdlib>

#define PENSTOCK_CHECK(condition, text)                                                      \
  do {                                                                                       \
    if (!(condition)) [[unlikely]] {                                                         \
      std::fprintf(stderr, "%s:%d: check failed: %s (%s)\n", __FILE__, __LINE__, #condition, \
                   text);                                                                    \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
