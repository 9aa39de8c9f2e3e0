# PENSTOCK_SANITIZE: a -fsanitize= list for the whole tree ("address,undefined" or "thread").
set(PENSTOCK_SANITIZE "" CACHE STRING "Sanitizers for every target")
option(PENSTOCK_FUZZ "Build the libFuzzer targets (clang only)" OFF)
if(PENSTOCK_SANITIZE)
  add_compile_options(-fsanitize=${PENSTOCK_SANITIZE} -fno-omit-frame-pointer -g1 -O1)
  add_link_options(-fsanitize=${PENSTOCK_SANITIZE})
  if(PENSTOCK_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
# In every such build of clang, so that the `asan` and `fuzz` presets share their objects (ccache).
if(PENSTOCK_SANITIZE MATCHES address AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
