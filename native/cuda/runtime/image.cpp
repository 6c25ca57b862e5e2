#include "native/cuda/runtime/image.h"

namespace spinegrad::cuda {

std::string versionName(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string describeImages() {
  if (spinegradCudaImages[0].file == nullptr) return "";
  return std::string(spinegradCudaArchitectures) + " (nvcc of CUDA " + versionName(spinegradCudaVersion) + ")";
}

}  // namespace spinegrad::cuda
