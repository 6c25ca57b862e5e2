// The kernels that the build put into the addon: one image a file of kernels/, each with machine code for the
// architectures in SPINEGRAD_CUDA_ARCHITECTURES and PTX for those that come after. cmake/kernels.cmake writes the
// table; it is empty where there was no nvcc.
#pragma once

#include <string>

namespace spinegrad::cuda {

struct Image {
  const char* file;
  const void* bytes;
};

/// "13.0" of 13000.
std::string versionName(int version);
/// For people: "sm_80, sm_90 (nvcc of CUDA 13.0)"; empty where the build holds none.
std::string describeImages();

extern "C" {
/// Ends with a null.
extern const Image spinegradCudaImages[];
/// The nvcc that made them: 13000 for CUDA 13.0; 0 for none.
extern const int spinegradCudaVersion;
/// For people: "sm_75, sm_80".
extern const char spinegradCudaArchitectures[];
}

}  // namespace spinegrad::cuda
