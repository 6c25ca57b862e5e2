// The check of labels and indices, which only the data can tell: the first value outside [low, high] is reported. They
// are as many as there are samples in a batch, so one block looks at all of them; its answer does not depend on which
// thread comes first.
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/status.cuh"

SPINEGRAD_KERNEL(status_expect_range, 256,
                 (const int32_t* values, int64_t count, int32_t low, int32_t high, int32_t report, Status* status)) {
  int64_t first = count;
  for (int64_t i = threadIdx.x; i < count && first == count; i += blockDim.x) {
    if (values[i] < low || values[i] > high) first = i;
  }
  first = -blockReduce(-first, -count, Max());
  if (threadIdx.x == 0 && first < count) reportOnce(status, report, values[first], first);
}
