// Where in the source an instruction of this library comes from.
#pragma once

#include <span>
#include <string>

#include "simulator/runtime.h"

namespace spinegrad::simulator {

/// Of the first of the instructions (one, or a call stack) that is the kernel's: "kernels/a.cu:12", after what was
/// inlined there: "kernels/lib/reduce.cuh:40 in kernels/a.cu:12". Asks addr2line of the binutils, so it takes its time;
/// where that does not help, the answer is an offset into the library.
std::string locate(std::span<void* const> instructions, const Kernel& kernel);

}  // namespace spinegrad::simulator
