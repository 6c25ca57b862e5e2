// Winograd kernels for blocks of 8 channels, compiled for AVX2 (CMakeLists.txt) and called only if the processor has
// it.
#define SPINEGRAD_LANES 8
#include "native/cpu/conv/winogradPasses.h"

const spinegrad::cpu::WinogradKernels spinegrad::cpu::winograd8 = {fprop, wgrad};
