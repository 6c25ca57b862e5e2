// Winograd kernels for blocks of 16 channels, compiled for AVX-512 (CMakeLists.txt) and called only if the processor
// has it.
#define SPINEGRAD_LANES 16
#include "native/cpu/conv/winogradPasses.h"

const spinegrad::cpu::WinogradKernels spinegrad::cpu::winograd16 = {fprop, wgrad};
