// The part of the CUDA driver API that spinegrad uses, declared here so that a build needs no CUDA headers. The backend
// looks these functions up in libcuda.so.1, and the simulator exports them; both use this list. Names and values are
// NVIDIA's and are stable.
#pragma once

#include <cstddef>

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUgraph = struct CUgraph_st*;
using CUgraphExec = struct CUgraphExec_st*;

enum CUresult {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_DEINITIALIZED = 4,
  CUDA_ERROR_STUB_LIBRARY = 34,
  CUDA_ERROR_DEVICE_UNAVAILABLE = 46,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_ECC_UNCORRECTABLE = 214,
  CUDA_ERROR_INVALID_PTX = 218,
  CUDA_ERROR_NVLINK_UNCORRECTABLE = 220,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  CUDA_ERROR_LAUNCH_TIMEOUT = 702,
  CUDA_ERROR_ASSERT = 710,
  CUDA_ERROR_HARDWARE_STACK_ERROR = 714,
  CUDA_ERROR_ILLEGAL_INSTRUCTION = 715,
  CUDA_ERROR_MISALIGNED_ADDRESS = 716,
  CUDA_ERROR_INVALID_ADDRESS_SPACE = 717,
  CUDA_ERROR_INVALID_PC = 718,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_NOT_SUPPORTED = 801,
  CUDA_ERROR_SYSTEM_NOT_READY = 802,
  CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803,
  CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE = 804,
  CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
  CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
  CUDA_ERROR_STREAM_CAPTURE_UNMATCHED = 903,
  CUDA_ERROR_UNKNOWN = 999,
};

enum CUdevice_attribute {
  CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 1,
  CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X = 2,
  CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y = 3,
  CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z = 4,
  CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X = 5,
  CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y = 6,
  CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z = 7,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK = 8,
  CU_DEVICE_ATTRIBUTE_WARP_SIZE = 10,
  CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK = 12,
  CU_DEVICE_ATTRIBUTE_CLOCK_RATE = 13,
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE = 36,
  CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH = 37,
  CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38,
  CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR = 39,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81,
  CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR = 82,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
};

enum CUfunction_attribute {
  CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0,
  CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1,
  CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3,
  CU_FUNC_ATTRIBUTE_NUM_REGS = 4,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
};

enum CUjit_option {
  CU_JIT_ERROR_LOG_BUFFER = 5,
  CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6,
};

enum CUstreamCaptureMode {
  CU_STREAM_CAPTURE_MODE_GLOBAL = 0,
  CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1,
  CU_STREAM_CAPTURE_MODE_RELAXED = 2,
};

enum CUstreamCaptureStatus {
  CU_STREAM_CAPTURE_STATUS_NONE = 0,
  CU_STREAM_CAPTURE_STATUS_ACTIVE = 1,
  CU_STREAM_CAPTURE_STATUS_INVALIDATED = 2,
};

enum : unsigned { CU_STREAM_NON_BLOCKING = 1 };
enum : unsigned { CU_EVENT_DEFAULT = 0, CU_EVENT_BLOCKING_SYNC = 1, CU_EVENT_DISABLE_TIMING = 2 };
enum : unsigned { CU_MEMHOSTALLOC_PORTABLE = 1 };

/// The keys of the `extra` list of cuLaunchKernel, passed as pointers.
enum : size_t { CU_LAUNCH_PARAM_END = 0, CU_LAUNCH_PARAM_BUFFER_POINTER = 1, CU_LAUNCH_PARAM_BUFFER_SIZE = 2 };

/// F(name, symbol, parameters): the name in the code and the symbol in libcuda.so.1.
#define SPINEGRAD_CUDA_FUNCTIONS(F)                                                                             \
  F(cuInit, cuInit, (unsigned flags))                                                                           \
  F(cuDriverGetVersion, cuDriverGetVersion, (int* version))                                                     \
  F(cuGetErrorName, cuGetErrorName, (CUresult error, const char** name))                                        \
  F(cuGetErrorString, cuGetErrorString, (CUresult error, const char** text))                                    \
  F(cuDeviceGetCount, cuDeviceGetCount, (int* count))                                                           \
  F(cuDeviceGet, cuDeviceGet, (CUdevice * device, int ordinal))                                                 \
  F(cuDeviceGetName, cuDeviceGetName, (char* name, int length, CUdevice device))                                \
  F(cuDeviceTotalMem, cuDeviceTotalMem_v2, (size_t * bytes, CUdevice device))                                   \
  F(cuDeviceGetAttribute, cuDeviceGetAttribute, (int* value, CUdevice_attribute attribute, CUdevice device))    \
  F(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                 \
  F(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, (CUdevice device))                                 \
  F(cuCtxSetCurrent, cuCtxSetCurrent, (CUcontext context))                                                      \
  F(cuCtxGetCurrent, cuCtxGetCurrent, (CUcontext * context))                                                    \
  F(cuCtxSynchronize, cuCtxSynchronize, ())                                                                     \
  F(cuModuleLoadData, cuModuleLoadData, (CUmodule * module, const void* image))                                 \
  F(cuModuleLoadDataEx, cuModuleLoadDataEx,                                                                     \
    (CUmodule * module, const void* image, unsigned options, CUjit_option* names, void** values))               \
  F(cuModuleUnload, cuModuleUnload, (CUmodule module))                                                          \
  F(cuModuleGetFunction, cuModuleGetFunction, (CUfunction * function, CUmodule module, const char* name))       \
  F(cuFuncGetAttribute, cuFuncGetAttribute, (int* value, CUfunction_attribute attribute, CUfunction function))  \
  F(cuFuncSetAttribute, cuFuncSetAttribute, (CUfunction function, CUfunction_attribute attribute, int value))   \
  F(cuOccupancyMaxActiveBlocksPerMultiprocessor, cuOccupancyMaxActiveBlocksPerMultiprocessor,                   \
    (int* blocks, CUfunction function, int threads, size_t dynamicShared))                                      \
  F(cuLaunchKernel, cuLaunchKernel,                                                                             \
    (CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,     \
     unsigned blockZ, unsigned dynamicShared, CUstream stream, void** parameters, void** extra))                \
  F(cuMemAlloc, cuMemAlloc_v2, (CUdeviceptr * address, size_t bytes))                                           \
  F(cuMemFree, cuMemFree_v2, (CUdeviceptr address))                                                             \
  F(cuMemGetInfo, cuMemGetInfo_v2, (size_t * free, size_t * total))                                             \
  F(cuMemHostAlloc, cuMemHostAlloc, (void** address, size_t bytes, unsigned flags))                             \
  F(cuMemFreeHost, cuMemFreeHost, (void* address))                                                              \
  F(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void* from, size_t bytes, CUstream stream)) \
  F(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2, (void* to, CUdeviceptr from, size_t bytes, CUstream stream))       \
  F(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)) \
  F(cuMemsetD8Async, cuMemsetD8Async, (CUdeviceptr to, unsigned char value, size_t count, CUstream stream))     \
  F(cuMemsetD32Async, cuMemsetD32Async, (CUdeviceptr to, unsigned value, size_t count, CUstream stream))        \
  F(cuStreamCreate, cuStreamCreate, (CUstream * stream, unsigned flags))                                        \
  F(cuStreamDestroy, cuStreamDestroy_v2, (CUstream stream))                                                     \
  F(cuStreamSynchronize, cuStreamSynchronize, (CUstream stream))                                                \
  F(cuStreamQuery, cuStreamQuery, (CUstream stream))                                                            \
  F(cuStreamWaitEvent, cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned flags))                     \
  F(cuStreamBeginCapture, cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode))                 \
  F(cuStreamEndCapture, cuStreamEndCapture, (CUstream stream, CUgraph * graph))                                 \
  F(cuStreamIsCapturing, cuStreamIsCapturing, (CUstream stream, CUstreamCaptureStatus * status))                \
  F(cuEventCreate, cuEventCreate, (CUevent * event, unsigned flags))                                            \
  F(cuEventDestroy, cuEventDestroy_v2, (CUevent event))                                                         \
  F(cuEventRecord, cuEventRecord, (CUevent event, CUstream stream))                                             \
  F(cuEventQuery, cuEventQuery, (CUevent event))                                                                \
  F(cuEventSynchronize, cuEventSynchronize, (CUevent event))                                                    \
  F(cuEventElapsedTime, cuEventElapsedTime, (float* milliseconds, CUevent from, CUevent to))                    \
  F(cuGraphInstantiate, cuGraphInstantiateWithFlags,                                                            \
    (CUgraphExec * executable, CUgraph graph, unsigned long long flags))                                        \
  F(cuGraphLaunch, cuGraphLaunch, (CUgraphExec executable, CUstream stream))                                    \
  F(cuGraphExecDestroy, cuGraphExecDestroy, (CUgraphExec executable))                                           \
  F(cuGraphDestroy, cuGraphDestroy, (CUgraph graph))

/// Optional functions, which drivers before 12.4 lack.
#define SPINEGRAD_CUDA_OPTIONAL_FUNCTIONS(F) \
  F(cuFuncGetParamInfo, cuFuncGetParamInfo, (CUfunction function, size_t index, size_t * offset, size_t * bytes))
