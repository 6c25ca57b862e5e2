// concat along axis 0 or 1. Along axis 0, and for row-major tensors, ranges of values are copied. Along axis 1, images
// of a layer are channel-blocked: if a tensor begins at a block of the result, its planes are copied; otherwise the
// lanes of each plane are shifted, one pass per pair of planes. Backward copies the slice of each tensor from dy in the
// same way.

#include <algorithm>
#include <vector>

#include "native/cpu/ops/planes.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/lanes.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

/// Channels (or, along axis 0, rows) [from, from + count) of a tensor, which are those from `to` on of the result.
struct Slice {
  Tensor* tensor;
  int64_t from, to, count;
};

/// Lanes [first, end) of each pixel of `to` = the lanes of `source` from sourceLane on. The lanes before `first` keep
/// their values, and those from `end` on are set to 0.
template <int64_t lanes>
SPINEGRAD_INLINE void shiftPlane(const float* source, float* to, int64_t pixels, int32_t first, int32_t end,
                                 int32_t sourceLane) {
  using Integers = typename LanesOf<lanes>::Integers;
  Integers index, before, inside;
  for (int32_t lane = 0; lane < lanes; ++lane) {
    index[lane] = (lane - first + sourceLane + lanes) % lanes;
    before[lane] = lane < first ? -1 : 0;
    inside[lane] = lane >= first && lane < end ? -1 : 0;
  }
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    const Lanes<lanes> value = lanesAt<lanes>(source, pixel);
    const Lanes<lanes> shifted = __builtin_shuffle(value, index);
    const Lanes<lanes> kept = first == 0 ? Lanes<lanes>{} : before ? lanesAt<lanes>(to, pixel) : Lanes<lanes>{};
    lanesAt<lanes>(to, pixel) = inside ? shifted : kept;
  }
}

SPINEGRAD_SIMD void shift(const float* source, float* to, int64_t pixels, int64_t lanes, int32_t first, int32_t end,
                          int32_t sourceLane) {
  lanes == 16 ? shiftPlane<16>(source, to, pixels, first, end, sourceLane)
              : shiftPlane<8>(source, to, pixels, first, end, sourceLane);
}

/// Fills one plane of the result from all slices that overlap it. `planes` are those of the tensors of the slices.
void fillPlane(const std::vector<Slice>& slices, const std::vector<const float*>& values,
               const std::vector<Planes>& planes, const Planes& result, int64_t image, int64_t block, float* to) {
  const int64_t lanes = result.lanes, blockFirst = block * lanes;
  for (size_t index = 0; index < slices.size(); ++index) {
    const Slice& slice = slices[index];
    const Planes& source = planes[index];
    const int64_t end = std::min(slice.to + slice.count, blockFirst + lanes);
    for (int64_t channel = std::max(slice.to, blockFirst); channel < end;) {
      const int64_t sourceChannel = slice.from + channel - slice.to, sourceLane = sourceChannel % lanes;
      const int64_t count = std::min(end - channel, lanes - sourceLane), lane = channel - blockFirst;
      const float* plane = values[index] + source.offset(image, sourceChannel / lanes);
      // The lanes after the last channel of a tensor are 0.
      const bool complete =
          lane == 0 && sourceLane == 0 && (count == lanes || sourceChannel + count == source.channels);
      if (complete) {
        std::copy_n(plane, result.size(), to);
      } else {
        shift(plane, to, result.pixels(), lanes, static_cast<int32_t>(lane), static_cast<int32_t>(lane + count),
              static_cast<int32_t>(sourceLane));
      }
      channel += count;
    }
  }
}

void copyBlocked(const std::vector<Slice>& slices, Tensor& result) {
  const Planes to(result.shape);
  std::vector<const float*> values;
  std::vector<Planes> planes;
  for (const Slice& slice : slices) {
    values.push_back(read(*slice.tensor, channelBlocked(slice.tensor->shape)));
    planes.emplace_back(slice.tensor->shape);
  }
  float* target = write(result, channelBlocked(result.shape));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < to.images; ++image) {
    for (int64_t block = 0; block < to.blocks; ++block) {
      fillPlane(slices, values, planes, to, image, block, target + to.offset(image, block));
    }
  }
}

void copyRowMajor(const std::vector<Slice>& slices, Tensor& result, int64_t axis) {
  const int64_t images = axis == 0 ? 1 : result.shape[0], channels = result.shape[axis],
                size = result.elements() / (images * channels);
  std::vector<const float*> values;
  for (const Slice& slice : slices) values.push_back(read<float>(*slice.tensor));
  float* target = write<float>(result);
#pragma omp parallel for schedule(static)
  for (int64_t image = 0; image < images; ++image) {
    for (size_t index = 0; index < slices.size(); ++index) {
      const Slice& slice = slices[index];
      const float* from = values[index] + (image * slice.tensor->shape[axis] + slice.from) * size;
      std::copy_n(from, slice.count * size, target + (image * channels + slice.to) * size);
    }
  }
}

void copySlices(const std::vector<Slice>& slices, Tensor& result, int64_t axis) {
  const bool rowsOnly = axis == 0 || std::all_of(slices.begin(), slices.end(), [](const Slice& slice) {
                          return layout(*slice.tensor) == rowMajor(slice.tensor->shape);
                        });
  rowsOnly ? copyRowMajor(slices, result, axis) : copyBlocked(slices, result);
}

void forward(const ConcatForward& op) {
  std::vector<Slice> slices;
  int64_t first = 0;
  for (const TensorRef& input : op.inputs) {
    slices.push_back({input.get(), 0, first, input->shape[op.axis]});
    first += input->shape[op.axis];
  }
  copySlices(slices, op.y, op.axis);
}

void backward(const ConcatBackward& op) { copySlices({{&op.dy, op.first, 0, op.dx.shape[op.axis]}}, op.dx, op.axis); }

const Register<forward> registerForward("concat.forward");
const Register<backward> registerBackward("concat.backward");

}  // namespace
}  // namespace spinegrad::cpu
