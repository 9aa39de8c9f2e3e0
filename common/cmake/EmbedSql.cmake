# penstock_embed_sql(target OUT header NAMESPACE ns FILES a.sql b.sql): a header of named
# constants, one per file (take_over.sql -> kTakeOver), plus kAll in the order given.
function(penstock_embed_sql target)
  cmake_parse_arguments(ARG "" "OUT;NAMESPACE" "FILES" ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/generated/${ARG_OUT})
  list(JOIN ARG_FILES "|" files)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} "-DFILES=${files}" -DNAMESPACE=${ARG_NAMESPACE}
            -DBASE=${CMAKE_CURRENT_SOURCE_DIR}
            -P ${PROJECT_SOURCE_DIR}/common/cmake/embed_sql_script.cmake
    DEPENDS ${ARG_FILES} ${PROJECT_SOURCE_DIR}/common/cmake/embed_sql_script.cmake
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} VERBATIM)
  add_custom_target(${target}_sql_header DEPENDS ${out})
  add_library(${target} INTERFACE)
  add_dependencies(${target} ${target}_sql_header)
  target_include_directories(${target} SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/generated)
endfunction()
