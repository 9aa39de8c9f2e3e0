# penstock_warnings: linked by every target of ours, never by generated code.
option(PENSTOCK_WERROR "Treat warnings as errors" OFF)
add_library(penstock_warnings INTERFACE)
target_compile_options(penstock_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  # gcc 12 warns wrongly about "text" + std::string when optimising.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  $<$<BOOL:${PENSTOCK_WERROR}>:-Werror>)
