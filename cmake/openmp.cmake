# Builds openmp.node, which loads libgomp with the project's settings before spinegrad.node needs it.
add_library(openmp SHARED native/addon/openmp.cpp ${CMAKE_JS_SRC})
target_include_directories(openmp PRIVATE ${CMAKE_JS_INC})
target_compile_definitions(openmp PRIVATE NAPI_VERSION=8)
target_compile_options(openmp PRIVATE -Wall -Wextra -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_link_libraries(openmp PRIVATE ${CMAKE_JS_LIB})
target_link_options(openmp PRIVATE -Wl,-z,nodelete -Wl,--disable-new-dtags)
set_target_properties(openmp PROPERTIES PREFIX "" SUFFIX ".node" CXX_VISIBILITY_PRESET hidden
  INSTALL_RPATH "$ORIGIN" BUILD_WITH_INSTALL_RPATH ON)
add_dependencies(spinegrad openmp)
install(TARGETS openmp LIBRARY DESTINATION .)
