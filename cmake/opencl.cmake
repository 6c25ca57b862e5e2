# Builds a substitute for libOpenCL. libdnnl links libOpenCL for GPUs that spinegrad never uses. In the substitute each
# function that libdnnl imports returns CL_PLATFORM_NOT_FOUND_KHR (-1001), under the symbol version that libdnnl expects.
execute_process(COMMAND ${CMAKE_NM} -D --undefined-only ${DNNL_LIBRARY} OUTPUT_VARIABLE UNDEFINED
  COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "cl[A-Za-z0-9]+@OPENCL[0-9_.]+" SYMBOLS "${UNDEFINED}")
foreach(SYMBOL IN LISTS SYMBOLS)
  string(REPLACE "@" ";" SYMBOL ${SYMBOL})
  list(GET SYMBOL 0 NAME)
  list(GET SYMBOL 1 VERSION)
  string(APPEND FUNCTIONS "int ${NAME}(void) { return -1001; }\n")
  string(APPEND NAMES_${VERSION} " ${NAME};")
  list(APPEND VERSIONS ${VERSION})
endforeach()
list(REMOVE_DUPLICATES VERSIONS)
foreach(VERSION IN LISTS VERSIONS)
  string(APPEND VERSION_SCRIPT "${VERSION} {${NAMES_${VERSION}} };\n")
endforeach()

set(OPENCL ${CMAKE_BINARY_DIR}/opencl)
file(CONFIGURE OUTPUT ${OPENCL}/opencl.c CONTENT "${FUNCTIONS}")
file(CONFIGURE OUTPUT ${OPENCL}/opencl.map CONTENT "${VERSION_SCRIPT}")
add_library(OpenCL SHARED ${OPENCL}/opencl.c)
target_link_options(OpenCL PRIVATE -Wl,-soname,libOpenCL.so.1 -Wl,--version-script=${OPENCL}/opencl.map)
set_target_properties(OpenCL PROPERTIES SUFFIX ".so.1" NO_SONAME ON LIBRARY_OUTPUT_DIRECTORY ${OPENCL})
