# Compiles each file of kernels/ with nvcc into one image and links the images into the addon. Without nvcc the addon
# has no kernels, and its CUDA backend runs on the simulator only.
find_program(NVCC nvcc HINTS ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
set(CUDA_VERSION 0)
if(NVCC)
  execute_process(COMMAND ${NVCC} --version OUTPUT_VARIABLE NVCC_VERSION COMMAND_ERROR_IS_FATAL ANY)
  if(NVCC_VERSION MATCHES "release ([0-9]+)\\.([0-9]+)")
    math(EXPR CUDA_VERSION "1000 * ${CMAKE_MATCH_1} + 10 * ${CMAKE_MATCH_2}")
  endif()
  if(CUDA_VERSION LESS 12080)
    message(WARNING "${NVCC}: expected CUDA 12.8 or newer, found ${CMAKE_MATCH_1}.${CMAKE_MATCH_2}: "
      "the addon gets no CUDA kernels")
    set(CUDA_VERSION 0)
  endif()
elseif(SPINEGRAD_PACKAGE)
  message(WARNING "nvcc was not found: the package gets no CUDA kernels")
endif()

if(CUDA_VERSION)
  include(cmake/architectures.cmake)
  message(STATUS "CUDA architectures: ${ARCHITECTURES}")
  foreach(ARCHITECTURE IN LISTS ARCHITECTURES)
    list(APPEND GENCODE -gencode=arch=compute_${ARCHITECTURE},code=sm_${ARCHITECTURE})
  endforeach()
  # PTX for newer GPUs.
  list(GET ARCHITECTURES -1 NEWEST)
  list(APPEND GENCODE -gencode=arch=compute_${NEWEST},code=compute_${NEWEST})
  list(TRANSFORM ARCHITECTURES PREPEND sm_ OUTPUT_VARIABLE ARCHITECTURE_NAMES)
  list(JOIN ARCHITECTURE_NAMES ", " ARCHITECTURE_NAMES)

  file(GLOB KERNELS CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/kernels kernels/*.cu)
  foreach(KERNEL IN LISTS KERNELS)
    set(FATBIN ${CMAKE_BINARY_DIR}/kernels/${KERNEL}.fatbin)
    add_custom_command(OUTPUT ${FATBIN} DEPENDS kernels/${KERNEL} DEPFILE ${FATBIN}.d VERBATIM COMMENT "nvcc ${KERNEL}"
      COMMAND ${NVCC} -fatbin -std=c++20 -O3 --compress-mode=size -ccbin ${CMAKE_CXX_COMPILER} -I ${CMAKE_SOURCE_DIR}
        ${GENCODE} -MD -MF ${FATBIN}.d ${CMAKE_SOURCE_DIR}/kernels/${KERNEL} -o ${FATBIN})
    list(APPEND FATBINS ${FATBIN})
    list(LENGTH FATBINS INDEX)
    string(APPEND IMAGES ".balign 64\nimage${INDEX}: .incbin \"${FATBIN}\"\n")
    string(APPEND IMAGES "name${INDEX}: .asciz \"kernels/${KERNEL}\"\n")
    string(APPEND IMAGE_TABLE ".quad name${INDEX}, image${INDEX}\n")
  endforeach()
endif()

set(IMAGES_SOURCE ${CMAKE_BINARY_DIR}/kernels/images.S)
configure_file(cmake/images.S.in ${IMAGES_SOURCE} @ONLY)
set_source_files_properties(${IMAGES_SOURCE} PROPERTIES OBJECT_DEPENDS "${FATBINS}")
target_sources(spinegrad PRIVATE ${IMAGES_SOURCE})
