// The driver API of a library that is opened by its path, and buffers, for small test programs. Every call is checked.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "native/cuda/runtime/api.h"

#define DECLARE(name, symbol, parameters) inline CUresult(*name) parameters;
SPINEGRAD_CUDA_FUNCTIONS(DECLARE)
SPINEGRAD_CUDA_OPTIONAL_FUNCTIONS(DECLARE)
#undef DECLARE

/// Exits with status 3 and the name of the error, if there is one.
inline void check(CUresult result, const char* what) {
  if (result == CUDA_SUCCESS) return;
  const char* name = "an unknown error";
  cuGetErrorName(result, &name);
  printf("%s: %s\n", what, name);
  fflush(stdout);
  _Exit(3);
}
#define CHECK(call) check(call, #call)

inline CUmodule module;

inline void open(const char* path) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    printf("%s\n", dlerror());
    exit(2);
  }
#define LOOK_UP(name, symbol, parameters) *reinterpret_cast<void**>(&name) = dlsym(library, #symbol);
  SPINEGRAD_CUDA_FUNCTIONS(LOOK_UP)
  SPINEGRAD_CUDA_OPTIONAL_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
  CUcontext context;
  CHECK(cuInit(0));
  CHECK(cuDevicePrimaryCtxRetain(&context, 0));
  CHECK(cuCtxSetCurrent(context));
  CHECK(cuModuleLoadData(&module, ""));
}

inline CUfunction function(const char* name) {
  CUfunction function;
  check(cuModuleGetFunction(&function, module, name), name);
  return function;
}

struct Dim {
  unsigned x = 1, y = 1, z = 1;
};

/// Launches on stream 0, so the kernel has ended when this returns.
template <class... Parameters>
CUresult launch(const char* name, Dim grid, Dim block, unsigned dynamicShared, Parameters... parameters) {
  void* pointers[] = {&parameters..., nullptr};
  return cuLaunchKernel(function(name), grid.x, grid.y, grid.z, block.x, block.y, block.z, dynamicShared, nullptr,
                        pointers, nullptr);
}

template <class T>
class Buffer {
 public:
  explicit Buffer(size_t count) : count_(count) { CHECK(cuMemAlloc(&address_, count * sizeof(T))); }
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
    CHECK(cuMemcpyHtoDAsync(address_, values.data(), count_ * sizeof(T), nullptr));
  }
  Buffer(const Buffer&) = delete;
  ~Buffer() { CHECK(cuMemFree(address_)); }

  CUdeviceptr address() const { return address_; }
  std::vector<T> values() const {
    std::vector<T> values(count_);
    CHECK(cuMemcpyDtoHAsync(values.data(), address_, count_ * sizeof(T), nullptr));
    return values;
  }

 private:
  size_t count_;
  CUdeviceptr address_ = 0;
};
