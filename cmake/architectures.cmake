# Sets ARCHITECTURES, the CUDA architectures to compile for, in ascending order: 80 for compute capability 8.0.
set(SPINEGRAD_CUDA_ARCHITECTURES "" CACHE STRING
  "For example 80;90. Default: those of this machine's GPUs, or 90 without a GPU; for a package all that nvcc 13 knows")

set(ARCHITECTURES ${SPINEGRAD_CUDA_ARCHITECTURES})
if(NOT ARCHITECTURES AND SPINEGRAD_PACKAGE)
  set(ARCHITECTURES 75 80 86 89 90 100 120)
endif()

# nvidia-smi prints one compute capability per GPU. When it fails it may print other text that contains numbers, and a
# GPU may be older than the kernels or unknown to nvcc.
if(NOT ARCHITECTURES)
  execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader OUTPUT_VARIABLE SMI ERROR_QUIET)
  execute_process(COMMAND ${NVCC} --list-gpu-arch OUTPUT_VARIABLE NVCC_ARCHITECTURES COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" SMI "${SMI}")
  foreach(LINE IN LISTS SMI)
    string(STRIP "${LINE}" LINE)
    if(LINE MATCHES "^([0-9]+)\\.([0-9])$")
      set(ARCHITECTURE ${CMAKE_MATCH_1}${CMAKE_MATCH_2})
      if(ARCHITECTURE GREATER_EQUAL 75 AND NVCC_ARCHITECTURES MATCHES "compute_${ARCHITECTURE}\n")
        list(APPEND ARCHITECTURES ${ARCHITECTURE})
      else()
        message(WARNING "nvidia-smi: no kernels for a GPU of compute capability ${LINE}: "
          "expected 7.5 or newer, and known to ${NVCC}")
      endif()
    endif()
  endforeach()
  list(REMOVE_DUPLICATES ARCHITECTURES)
  list(SORT ARCHITECTURES COMPARE NATURAL)
endif()
if(NOT ARCHITECTURES)
  set(ARCHITECTURES 90)
endif()
