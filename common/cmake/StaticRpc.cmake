# gRPC, Protobuf and Abseil from their archives instead of their shared libraries (adr/0021): calls
# between them and to thread-local variables then need no table.
option(PENSTOCK_STATIC_RPC "Link gRPC, Protobuf and Abseil statically" OFF)

# The imported target, and all that it needs, from archives where there are some beside the shared
# libraries.
function(penstock_prefer_archives target)
  get_property(seen GLOBAL PROPERTY PENSTOCK_ARCHIVED)
  if(NOT TARGET ${target} OR target IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY PENSTOCK_ARCHIVED ${target})
  get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
  foreach(property IMPORTED_LOCATION IMPORTED_LOCATION_${configurations})
    get_target_property(location ${target} ${property})
    if(location MATCHES "[.]so([.0-9]*)$")
      string(REGEX REPLACE "[.]so[.0-9]*$" ".a" archive ${location})
      if(EXISTS ${archive})
        set_target_properties(${target} PROPERTIES ${property} ${archive})
      endif()
    endif()
  endforeach()
  get_target_property(needs ${target} INTERFACE_LINK_LIBRARIES)
  foreach(need IN LISTS needs)
    string(REGEX REPLACE "^.*LINK_ONLY:(.*)>$" "\\1" need "${need}")
    penstock_prefer_archives("${need}")
  endforeach()
endfunction()

if(PENSTOCK_STATIC_RPC)
  foreach(target gRPC::grpc++ gRPC::grpc++_reflection protobuf::libprotobuf
                 absl::btree absl::cord absl::flat_hash_map absl::flat_hash_set absl::hash
                 absl::inlined_vector absl::random_random absl::status absl::statusor absl::strings
                 absl::synchronization absl::time)
    penstock_prefer_archives(${target})
  endforeach()
endif()
