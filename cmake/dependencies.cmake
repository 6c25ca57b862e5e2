# Finds OpenMP, oneDNN 2 and the C++ header of Node-API.
find_package(OpenMP REQUIRED COMPONENTS CXX)

find_library(DNNL_LIBRARY dnnl REQUIRED)
find_path(DNNL_INCLUDE dnnl.hpp REQUIRED)
file(STRINGS ${DNNL_INCLUDE}/oneapi/dnnl/dnnl_version.h DNNL_MAJOR REGEX "DNNL_VERSION_MAJOR 2$")
if(NOT DNNL_MAJOR)
  message(FATAL_ERROR
    "${DNNL_INCLUDE}/dnnl.hpp: expected oneDNN 2 (Debian 12: libdnnl-dev 2.6.3), found another version")
endif()

execute_process(COMMAND node -p "require('node-addon-api').include_dir" WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
  OUTPUT_VARIABLE NODE_ADDON_API OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
