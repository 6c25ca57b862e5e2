// The direct convolution kernel for blocks of 8 channels, compiled for AVX2 (CMakeLists.txt) and called only if the
// processor has it.
#define SPINEGRAD_LANES 8
#include "native/cpu/conv/directConvPass.h"

const spinegrad::cpu::DirectConvKernel spinegrad::cpu::directConv8 = convolveAll;
