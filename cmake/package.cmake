# The files of a prebuilt binary: the addon and the libraries that it needs, in one folder.
#
#     cmake --install <build folder> --prefix prebuilds/linux-x64 --strip
include(cmake/opencl.cmake)

# RPATH, not RUNPATH: it also holds for the libraries that libdnnl needs.
target_link_options(spinegrad PRIVATE -Wl,--disable-new-dtags)
set_target_properties(spinegrad PROPERTIES INSTALL_RPATH "$ORIGIN" BUILD_WITH_INSTALL_RPATH ON)
file(REAL_PATH ${DNNL_LIBRARY} DNNL_FILE)
file(REAL_PATH ${OpenMP_gomp_LIBRARY} GOMP_FILE)
install(TARGETS spinegrad OpenCL LIBRARY DESTINATION .)
install(PROGRAMS ${DNNL_FILE} DESTINATION . RENAME libdnnl.so.2)
install(PROGRAMS ${GOMP_FILE} DESTINATION . RENAME libgomp.so.1)

# The licences of the libraries, and where their sources are (GPL 3, section 6 d).
install(FILES licenses/GPL-3.0.txt licenses/GCC-RUNTIME-LIBRARY-EXCEPTION-3.1.txt licenses/oneDNN.txt
  DESTINATION licenses)
install(FILES LICENSE DESTINATION licenses RENAME Apache-2.0.txt)
install(FILES ${NODE_ADDON_API}/LICENSE.md DESTINATION licenses RENAME node-addon-api.md)

find_program(DPKG_QUERY dpkg-query)
if(DPKG_QUERY)
  foreach(FILE IN ITEMS ${DNNL_FILE} ${GOMP_FILE})
    execute_process(COMMAND ${DPKG_QUERY} --search ${FILE} OUTPUT_VARIABLE OWNER COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX REPLACE ": .*" "" OWNER "${OWNER}")
    execute_process(COMMAND ${DPKG_QUERY} --show --showformat "\${source:Package}/\${source:Version}" ${OWNER}
      OUTPUT_VARIABLE SOURCE COMMAND_ERROR_IS_FATAL ANY)
    list(APPEND SOURCE_URLS https://snapshot.debian.org/package/${SOURCE}/)
  endforeach()
  list(POP_FRONT SOURCE_URLS DNNL_SOURCE GOMP_SOURCE)
  configure_file(licenses/SOURCES.txt.in licenses/SOURCES.txt @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/licenses/SOURCES.txt DESTINATION licenses)
elseif(SPINEGRAD_PACKAGE)
  message(WARNING "dpkg-query was not found: the package cannot name the sources of its libraries; build it on Debian 12")
endif()
