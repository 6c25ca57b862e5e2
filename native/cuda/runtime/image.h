// The compiled kernels in the addon: one image per file of kernels/, with machine code for SPINEGRAD_CUDA_ARCHITECTURES
// and PTX for newer ones. cmake/kernels.cmake writes the table, which is empty in a build without nvcc.
#pragma once

#include <string>

namespace spinegrad::cuda {

struct Image {
  const char* file;
  const void* bytes;
};

/// Formats 13000 as "13.0".
std::string versionName(int version);
/// For example "sm_80, sm_90 (nvcc of CUDA 13.0)"; empty if the build has no kernels.
std::string describeImages();

extern "C" {
/// Ends with a null entry.
extern const Image spinegradCudaImages[];
/// The version of nvcc, 13000 for CUDA 13.0, or 0.
extern const int spinegradCudaVersion;
/// For example "sm_75, sm_80".
extern const char spinegradCudaArchitectures[];
}

}  // namespace spinegrad::cuda
