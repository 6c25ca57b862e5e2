// The direct convolution kernel for blocks of 16 channels, compiled for AVX-512 (CMakeLists.txt) and called only if the
// processor has it.
#define SPINEGRAD_LANES 16
#include "native/cpu/conv/directConvPass.h"

const spinegrad::cpu::DirectConvKernel spinegrad::cpu::directConv16 = convolveAll;
