// The second kernel of the elementwise losses: one block adds the sums of the chunks in order and divides by the sum of
// the weights if the mean is requested.
#include "kernels/lib/elementwiseLoss.cuh"
#include "kernels/lib/status.cuh"

SPINEGRAD_KERNEL(elementwiseLoss_total, 256,
                 (const LossSums* partials, int64_t chunks, int64_t count, int32_t mean, float* loss, float* divisor,
                  int32_t report, Status* status)) {
  double terms = 0, weights = 0;
  int64_t negative = count;
  for (int64_t i = threadIdx.x; i < chunks; i += blockDim.x) {
    terms += partials[i].terms;
    weights += partials[i].weights;
    negative = Min()(negative, partials[i].negative);
  }
  terms = blockSum(terms);
  weights = blockSum(weights);
  negative = blockReduce(negative, count, Min());
  if (threadIdx.x != 0) return;
  if (negative < count) reportOnce(status, report, 0, negative);
  const double divideBy = mean != 0 && weights != 0 ? weights : 1;  // without weight the loss is 0
  *loss = static_cast<float>(terms / divideBy);
  *divisor = static_cast<float>(divideBy);
}
