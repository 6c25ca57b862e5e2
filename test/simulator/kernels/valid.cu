// Correct kernels that are small enough to check by hand. valid.cpp compares their results with plain loops.
#include "kernels/lib/async.cuh"
#include "kernels/lib/kernel.cuh"
#include "kernels/lib/mma.cuh"
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/vector.cuh"

/// Every thread of a grid of any shape writes its position.
SPINEGRAD_KERNEL(valid_indices, 256, (int32_t * y)) {
  const int perBlock = blockDim.x * blockDim.y * blockDim.z;
  const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  y[block * perBlock + thread] = block * 1000 + thread;
}

struct Scale {
  float factor;
  int64_t count;
};

SPINEGRAD_KERNEL(valid_scale, 256, (const float* x, float* y, int32_t offset, Scale scale)) {
  for (int64_t i = globalThread(); i < scale.count; i += gridThreads()) y[i] = scale.factor * x[i] + offset;
}

/// A transpose in 32 x 32 tiles through shared memory.
SPINEGRAD_KERNEL(valid_transpose, 256, (const float* x, float* y, int32_t n)) {
  SPINEGRAD_SHARED(float[32][33], tile);
  const int column = threadIdx.x % 32, row = threadIdx.x / 32;
  const int left = blockIdx.x * 32, top = blockIdx.y * 32;
  for (int i = row; i < 32; i += 8)
    if (top + i < n && left + column < n) tile[i][column] = x[(top + i) * n + left + column];
  __syncthreads();
  for (int i = row; i < 32; i += 8)
    if (left + i < n && top + column < n) y[(left + i) * n + top + column] = tile[column][i];
}

/// One sum and one maximum per block.
SPINEGRAD_KERNEL(valid_reduce, 1024, (const float* x, float* sums, float* maxima, int32_t perBlock)) {
  float sum = 0, maximum = -INFINITY;
  for (int i = threadIdx.x; i < perBlock; i += blockDim.x) {
    sum += x[blockIdx.x * perBlock + i];
    maximum = fmaxf(maximum, x[blockIdx.x * perBlock + i]);
  }
  sum = blockSum(sum);
  maximum = blockMax(maximum, -INFINITY);
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = sum;
    maxima[blockIdx.x] = maximum;
  }
}

/// Every kind of shuffle and vote in one warp, 8 words per lane.
SPINEGRAD_KERNEL(valid_shuffles, 32, (int32_t * y)) {
  const int lane = laneId();
  int32_t* const to = y + 8 * lane;
  to[0] = __shfl_sync(0xffffffffu, lane, 5);
  to[1] = __shfl_xor_sync(0xffffffffu, lane, 3);
  to[2] = __shfl_down_sync(0xffffffffu, lane, 4);
  to[3] = __shfl_up_sync(0xffffffffu, lane, 4);
  to[4] = __shfl_sync(0xffffffffu, lane, 1, 8);
  to[5] = __ballot_sync(0xffffffffu, lane % 3 == 0);
  to[6] = __any_sync(0xffffffffu, lane == 7) + 2 * __all_sync(0xffffffffu, lane < 31);
  // The halves of the warp diverge and shuffle separately.
  if (lane < 16) {
    to[7] = __shfl_xor_sync(0x0000ffffu, lane, 8);
  } else {
    to[7] = __shfl_xor_sync(0xffff0000u, lane * 10, 8);
  }
}

/// C (16 x 8) = A (16 x k) B (k x 8) by one warp, with row-major A and B stored as columns. Three stages of cp.async.
SPINEGRAD_KERNEL(valid_mma_tf32, 32, (const float* a, const float* b, float* c, int32_t k)) {
  SPINEGRAD_SHARED(float[3][16][8], sharedA);
  SPINEGRAD_SHARED(float[3][8][8], sharedB);
  const int lane = laneId();
  const auto fetch = [&](int step) {
    if (step * 8 < k) {
      const int stage = step % 3, row = lane / 2, column = lane % 2 * 4;
      copyAsync16(&sharedA[stage][row][column], a + row * k + step * 8 + column, step * 8 + column < k);
      if (lane < 16) copyAsync16(&sharedB[stage][row][column], b + row * k + step * 8 + column, step * 8 + column < k);
    }
    commitGroup();
  };
  fetch(0);
  fetch(1);
  float sum[4] = {};
  for (int step = 0; step * 8 < k; ++step) {
    waitGroup<1>();
    __syncwarp();
    fetch(step + 2);
    uint32_t registersA[4], registersB[2];
    const int stage = step % 3;
    ldmatrix(registersA, &sharedA[stage][lane % 16][lane / 16 * 4]);
    ldmatrix(registersB, &sharedB[stage][lane % 8][lane / 8 % 2 * 4]);
    for (uint32_t& word : registersA) word = toTf32(__uint_as_float(word));
    for (uint32_t& word : registersB) word = toTf32(__uint_as_float(word));
    mmaTf32(sum, registersA, registersB);
    __syncwarp();
  }
  for (int i = 0; i < 4; ++i) c[accumulatorRow(i) * 8 + accumulatorColumn(i)] = sum[i];
}

/// The same in bf16, 16 values of k per step. B is row-major and transposed by ldmatrix.
SPINEGRAD_KERNEL(valid_mma_bf16, 32, (const float* a, const float* b, float* c, int32_t k)) {
  SPINEGRAD_SHARED(uint16_t[16][16], sharedA);
  SPINEGRAD_SHARED(uint16_t[16][8], sharedB);
  const int lane = laneId();
  float sum[4] = {};
  for (int from = 0; from < k; from += 16) {
    for (int i = lane; i < 256; i += 32) sharedA[i / 16][i % 16] = packBf16(a[i / 16 * k + from + i % 16], 0) & 0xffff;
    for (int i = lane; i < 128; i += 32) sharedB[i / 8][i % 8] = packBf16(0, b[(from + i / 8) * 8 + i % 8]) >> 16;
    __syncwarp();
    uint32_t registersA[4], registersB[2];
    ldmatrix(registersA, &sharedA[lane % 16][lane / 16 * 8]);
    ldmatrixTransposed(registersB, &sharedB[lane % 16][0]);
    mmaBf16(sum, registersA, registersB);
    __syncwarp();
  }
  for (int i = 0; i < 4; ++i) c[accumulatorRow(i) * 8 + accumulatorColumn(i)] = sum[i];
}

/// The same in f16, 8 values of k per step. Lanes load their fragments from global memory.
SPINEGRAD_KERNEL(valid_mma_f16, 32, (const float* a, const float* b, float* c, int32_t k)) {
  const int g = laneId() / 4, t = laneId() % 4;
  float sum[4] = {};
  for (int from = 0; from < k; from += 8) {
    const float* const left = a + g * k + from + 2 * t;
    const float* const right = b + (from + 2 * t) * 8 + g;
    const uint32_t registersA[2] = {packF16(left[0], left[1]), packF16(left[8 * k], left[8 * k + 1])};
    const uint32_t registersB[1] = {packF16(right[0], right[8])};
    mmaF16(sum, registersA, registersB);
  }
  for (int i = 0; i < 4; ++i) c[accumulatorRow(i) * 8 + accumulatorColumn(i)] = sum[i];
}

/// One tile A times two tiles B: C (16 x 16) = A (16 x 8) B (8 x 16), added over all three formats. bf16 pads k with
/// zeros.
SPINEGRAD_KERNEL(valid_mma_row, 32, (const float* a, const float* b, float* c)) {
  const int g = laneId() / 4, t = laneId() % 4;
  float sums[2][4] = {};
  uint32_t tf32A[4], tf32B[2][2], bf16A[4] = {}, bf16B[2][2] = {}, f16A[2], f16B[2][1];
  for (int i = 0; i < 4; ++i) tf32A[i] = toTf32(a[(g + 8 * (i % 2)) * 8 + t + 4 * (i / 2)]);
  for (int i = 0; i < 2; ++i) {
    const float* const left = a + (g + 8 * i) * 8 + 2 * t;
    bf16A[i] = packBf16(left[0], left[1]);
    f16A[i] = packF16(left[0], left[1]);
    for (int tile = 0; tile < 2; ++tile) tf32B[tile][i] = toTf32(b[(t + 4 * i) * 16 + 8 * tile + g]);
    const float* const right = b + 2 * t * 16 + 8 * i + g;
    bf16B[i][0] = packBf16(right[0], right[16]);
    f16B[i][0] = packF16(right[0], right[16]);
  }
  mmaTf32(sums, tf32A, tf32B);
  mmaBf16(sums, bf16A, bf16B);
  mmaF16(sums, f16A, f16B);
  for (int tile = 0; tile < 2; ++tile)
    for (int i = 0; i < 4; ++i) c[accumulatorRow(i) * 16 + 8 * tile + accumulatorColumn(i)] = sums[tile][i];
}

/// Dynamic shared memory and vectors: reverses the elements of a block.
SPINEGRAD_KERNEL(valid_reverse, 256, (const float* x, float* y)) {
  SPINEGRAD_DYNAMIC_SHARED(memory);
  Float4* const values = reinterpret_cast<Float4*>(memory);
  const int64_t first = int64_t(blockIdx.x) * blockDim.x;
  store(values[threadIdx.x].value, load<Float4>(x + 4 * (first + threadIdx.x)));
  __syncthreads();
  Float4 value = load<Float4>(values[blockDim.x - 1 - threadIdx.x].value);
  store(y + 4 * (first + threadIdx.x), Float4{{value[3], value[2], value[1], value[0]}});
}

/// For the counters: every lane accesses its own sector, and all lanes access one bank.
SPINEGRAD_KERNEL(valid_wasteful, 32, (const float* x, float* y)) {
  SPINEGRAD_SHARED(float[32][32], tile);
  tile[laneId()][0] = x[8 * laneId()];
  __syncwarp();
  y[laneId()] = tile[31 - laneId()][0];
}

/// Integer atomics: a histogram of 8 bins, independent of the order.
SPINEGRAD_KERNEL(valid_histogram, 256, (const int32_t* x, int32_t* bins, int32_t* maximum, int64_t count)) {
  for (int64_t i = globalThread(); i < count; i += gridThreads()) {
    atomicAdd(&bins[x[i] & 7], 1);
    atomicMax(maximum, x[i]);
  }
}
