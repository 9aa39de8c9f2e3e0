# The three kinds of target. One library per folder, named penstock_<path>; sources by hand.
#
#   penstock_library(common_base SRCS a.cc DEPS absl::time [PRIVATE_DEPS x])   -> penstock_common_base
#   penstock_binary(penstock-worker SRCS main.cc DEPS ...)                     -> build/<preset>/bin/
#   penstock_test(common_base_test SRCS a_test.cc DEPS ... LABELS unit [TIMEOUT s] [SERIAL])
#
# A test labelled `pg` runs with the PostgreSQL cluster that common/testing starts once per CTest
# run; its address is in the file named by PENSTOCK_TEST_PG (common/testing/pg_fixture.h).

set(PENSTOCK_TEST_PG_FILE ${CMAKE_BINARY_DIR}/tests/pg_cluster.txt)

function(penstock_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  set(target penstock_${name})
  if(ARG_SRCS)
    add_library(${target} STATIC ${ARG_SRCS})
    target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(${target} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS} penstock_warnings)
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${target} INTERFACE ${ARG_DEPS})
  endif()
endfunction()

function(penstock_binary name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} penstock_warnings)
endfunction()

# For programs that allocate in one thread and free in another all the time (adr/0020). Sanitizers
# bring their own.
function(penstock_use_jemalloc name)
  if(NOT PENSTOCK_SANITIZE)
    target_link_libraries(${name} PRIVATE PkgConfig::JEMALLOC)
  endif()
endfunction()

function(penstock_test name)
  if(PENSTOCK_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "SERIAL" "TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main penstock_warnings)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  if(PENSTOCK_SANITIZE)
    math(EXPR ARG_TIMEOUT "4 * ${ARG_TIMEOUT}")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
  if("pg" IN_LIST ARG_LABELS)
    set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED penstock_pg)
    set_property(TEST ${name} APPEND PROPERTY
      ENVIRONMENT "PENSTOCK_TEST_PG=${PENSTOCK_TEST_PG_FILE}")
  endif()
  if(ARG_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()
