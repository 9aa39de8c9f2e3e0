# The shared PostgreSQL cluster of the tests (apart from common_testing: it brings libpqxx).
penstock_library(common_testing_pg
  SRCS pg_cluster.cc pg_fixture.cc
  DEPS penstock_common_base penstock_common_pgserver absl::status absl::statusor
  PRIVATE_DEPS penstock_common_process_plain PkgConfig::PQXX fmt::fmt)

if(NOT PENSTOCK_FUZZ)
  penstock_binary(penstock-test-cluster SRCS pg_cluster_main.cc
    DEPS penstock_common_testing_pg penstock_common_process_plain fmt::fmt)
  set_target_properties(penstock-test-cluster PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  # One cluster per CTest run, whatever the number of tests; none when no test needs it.
  add_test(NAME penstock_pg_start COMMAND penstock-test-cluster start ${PENSTOCK_TEST_PG_FILE})
  add_test(NAME penstock_pg_stop COMMAND penstock-test-cluster stop ${PENSTOCK_TEST_PG_FILE})
  set_tests_properties(penstock_pg_start PROPERTIES FIXTURES_SETUP penstock_pg TIMEOUT 180)
  set_tests_properties(penstock_pg_stop PROPERTIES FIXTURES_CLEANUP penstock_pg TIMEOUT 60)
endif()

penstock_test(common_testing_pg_test
  SRCS pg_fixture_test.cc
  DEPS penstock_common_testing_pg PkgConfig::PQXX
  LABELS pg)
