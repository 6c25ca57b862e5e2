// launches LIBRARY: checks what the driver API guarantees around kernels: invalid launches are rejected, streams defer
// work and keep its order, graphs replay it, and allocation fails when memory is exhausted. Prints each check that
// fails.
#include <cstdint>
#include <cstring>

#include "test/simulator/driver.h"

namespace {

int failures = 0;

void expect(bool holds, const char* statement) {
  if (holds) return;
  printf("failed: %s\n", statement);
  ++failures;
}
#define EXPECT(statement) expect(statement, #statement)

struct Scale {
  float factor;
  int64_t count;
};

void refusals() {
  Buffer<int32_t> y(1024);
  const auto refused = [&](Dim grid, Dim block, unsigned shared) {
    return launch("valid_indices", grid, block, shared, y.address()) == CUDA_ERROR_INVALID_VALUE;
  };
  EXPECT(refused({1}, {257}, 0));  // the kernel allows 256 threads
  EXPECT(refused({1}, {0}, 0));
  EXPECT(refused({1}, {1, 1, 65}, 0));
  EXPECT(refused({0}, {32}, 0));
  EXPECT(refused({1, 65536}, {32}, 0));
  EXPECT(refused({1}, {32}, 49153));
  const CUfunction kernel = function("valid_indices");
  EXPECT(cuFuncSetAttribute(kernel, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 232449) ==
         CUDA_ERROR_INVALID_VALUE);
  CHECK(cuFuncSetAttribute(kernel, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 232448));
  EXPECT(!refused({1}, {32}, 232448));

  CUfunction none;
  EXPECT(cuModuleGetFunction(&none, module, "no_such_kernel") == CUDA_ERROR_NOT_FOUND);

  const CUdeviceptr address = y.address();
  size_t bytes = 4;
  void* extra[] = {reinterpret_cast<void*>(CU_LAUNCH_PARAM_BUFFER_POINTER), const_cast<CUdeviceptr*>(&address),
                   reinterpret_cast<void*>(CU_LAUNCH_PARAM_BUFFER_SIZE), &bytes, nullptr};
  EXPECT(cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, extra) == CUDA_ERROR_INVALID_VALUE);
  bytes = 8;
  EXPECT(cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, extra) == CUDA_SUCCESS);
}

void parameters() {
  const CUfunction kernel = function("valid_scale");  // two pointers, int32_t, struct of float and int64_t
  const size_t expected[4][2] = {{0, 8}, {8, 8}, {16, 4}, {24, 16}};
  for (size_t i = 0; i < 4; ++i) {
    size_t offset, bytes;
    CHECK(cuFuncGetParamInfo(kernel, i, &offset, &bytes));
    EXPECT(offset == expected[i][0] && bytes == expected[i][1]);
  }
  size_t offset, bytes;
  EXPECT(cuFuncGetParamInfo(kernel, 4, &offset, &bytes) == CUDA_ERROR_INVALID_VALUE);
}

void streams() {
  CUstream stream;
  CUevent event;
  CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  CHECK(cuEventCreate(&event, CU_EVENT_DEFAULT));
  Buffer<float> x(4);
  float* host;
  CHECK(cuMemHostAlloc(reinterpret_cast<void**>(&host), 32, 0));
  for (int i = 0; i < 4; ++i) host[i] = static_cast<float>(i), host[4 + i] = -1;
  CHECK(cuMemcpyHtoDAsync(x.address(), host, 16, stream));
  CHECK(cuMemcpyDtoHAsync(host + 4, x.address(), 16, stream));
  CHECK(cuEventRecord(event, stream));
  EXPECT(host[4] == -1);  // pinned memory is written at the next wait
  EXPECT(cuEventQuery(event) == CUDA_ERROR_NOT_READY);
  CHECK(cuEventSynchronize(event));
  EXPECT(host[4] == 0 && host[7] == 3);
  EXPECT(cuEventQuery(event) == CUDA_SUCCESS);

  float pageable[4] = {5, 6, 7, 8}, back[4] = {};
  CHECK(cuMemcpyHtoDAsync(x.address(), pageable, 16, stream));
  memset(pageable, 0, sizeof pageable);  // pageable memory may change after the call returns
  CHECK(cuMemcpyDtoHAsync(back, x.address(), 16, stream));
  EXPECT(back[0] == 5 && back[3] == 8);

  CUstream other;
  CHECK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
  CHECK(cuMemsetD32Async(x.address(), 0x40400000, 4, stream));  // 3
  CHECK(cuEventRecord(event, stream));
  CHECK(cuStreamWaitEvent(other, event, 0));
  CHECK(cuMemcpyDtoHAsync(back, x.address(), 16, other));
  EXPECT(back[0] == 3 && back[3] == 3);
  CHECK(cuStreamDestroy(other));
  CHECK(cuEventDestroy(event));
  CHECK(cuMemFreeHost(host));
  CHECK(cuStreamDestroy(stream));
}

void graphs() {
  CUstream stream;
  CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  Buffer<float> x(std::vector<float>(100, 1));
  CUdeviceptr address = x.address();
  Scale scale{2, 100};
  int32_t offset = 1;
  void* pointers[] = {&address, &address, &offset, &scale};
  CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  CHECK(cuLaunchKernel(function("valid_scale"), 1, 1, 1, 64, 1, 1, 0, stream, pointers, nullptr));
  scale.factor = 1000;  // the launch has copied its parameters
  CUgraph graph;
  CHECK(cuStreamEndCapture(stream, &graph));
  EXPECT(x.values()[0] == 1);
  CUgraphExec executable;
  CHECK(cuGraphInstantiate(&executable, graph, 0));
  CHECK(cuGraphDestroy(graph));
  for (int i = 0; i < 3; ++i) CHECK(cuGraphLaunch(executable, stream));
  CHECK(cuStreamSynchronize(stream));
  EXPECT(x.values()[99] == 15);  // 1, 3, 7, 15
  CHECK(cuGraphExecDestroy(executable));
  CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  EXPECT(cuStreamSynchronize(stream) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT(cuStreamEndCapture(stream, &graph) == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  CHECK(cuStreamDestroy(stream));
}

void memory() {
  size_t free, total, after;
  CHECK(cuMemGetInfo(&free, &total));
  CUdeviceptr address;
  EXPECT(cuMemAlloc(&address, free + 1) == CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT(cuMemAlloc(&address, 0) == CUDA_ERROR_INVALID_VALUE);
  CHECK(cuMemAlloc(&address, 1 << 20));
  CHECK(cuMemGetInfo(&after, &total));
  EXPECT(after == free - (1 << 20));
  float poison;
  CHECK(cuMemcpyDtoHAsync(&poison, address, 4, nullptr));
  EXPECT(poison != poison);
  EXPECT(cuMemcpyDtoHAsync(&poison, address + (1 << 20) - 2, 4, nullptr) == CUDA_ERROR_INVALID_VALUE);
  CHECK(cuMemFree(address));
  EXPECT(cuMemFree(address) == CUDA_ERROR_INVALID_VALUE);
}

}  // namespace

int main(int, char** arguments) {
  open(arguments[1]);
  refusals();
  parameters();
  streams();
  graphs();
  memory();
  if (!failures) printf("passed\n");
  return failures != 0;
}
