// Checks labels and indices, which are known only on the device, and reports the first value outside [low, high]. There
// are as many as samples in a batch, so one block checks all of them; the result does not depend on the order of the
// threads.
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
