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
