# gRPC, Protobuf and Abseil from their archives instead of their shared libraries (adr/0021): calls
# between them and to thread-local variables then need no table.
option(PENSTOCK_STATIC_RPC "Link gRPC, Protobuf and Abseil statically" OFF)

# The imported target, and those of these three that it needs. Nothing else: OpenSSL, which libpq
# uses as well, must be one.
function(penstock_prefer_archives target)
  get_property(seen GLOBAL PROPERTY PENSTOCK_ARCHIVED)
  if(NOT target MATCHES "^(gRPC|protobuf|absl)::" OR NOT TARGET ${target} OR target IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY PENSTOCK_ARCHIVED ${target})
  get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
  foreach(property IMPORTED_LOCATION IMPORTED_LOCATION_${configurations})
    get_target_property(location ${target} ${property})
    if(location MATCHES "[.]so([.0-9]*)$")
      string(REGEX REPLACE "[.]so[.0-9]*$" ".a" archive ${location})
      if(NOT EXISTS ${archive})
        message(FATAL_ERROR "${target} has no archive ${archive}, and two copies of a library in "
          "one program do not get along: configure with -DPENSTOCK_STATIC_RPC=OFF")
      endif()
      set_target_properties(${target} PROPERTIES ${property} ${archive})
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
                 absl::btree absl::cord absl::flat_hash_map absl::flat_hash_set absl::status
                 absl::statusor absl::strings absl::synchronization absl::time)
    penstock_prefer_archives(${target})
  endforeach()
endif()
