// The end of the losses of elementwiseLoss.cuh: one block adds the sums of the pieces, in order, and divides by the sum
// of weights when the mean is asked for.
#include "kernels/lib/elementwiseLoss.cuh"
#include "kernels/lib/status.cuh"

SPINEGRAD_KERNEL(elementwiseLoss_total, 256,
                 (const LossSums* partials, int64_t pieces, int64_t count, int32_t mean, float* loss, float* divisor,
                  int32_t report, Status* status)) {
  double terms = 0, weights = 0;
  int64_t negative = count;
  for (int64_t i = threadIdx.x; i < pieces; i += blockDim.x) {
    terms += partials[i].terms;
    weights += partials[i].weights;
    negative = Min()(negative, partials[i].negative);
  }
  terms = blockSum(terms);
  weights = blockSum(weights);
  negative = blockReduce(negative, count, Min());
  if (threadIdx.x != 0) return;
  if (negative < count) reportOnce(status, report, 0, negative);
  const double by = mean != 0 && weights != 0 ? weights : 1;  // nothing counts: the loss is 0 for any divisor
  *loss = static_cast<float>(terms / by);
  *divisor = static_cast<float>(by);
}
