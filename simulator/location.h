// Maps an instruction of this library to its source line.
#pragma once

#include <span>
#include <string>

#include "simulator/runtime.h"

namespace spinegrad::simulator {

/// The line of the first instruction (of one, or of a call stack) that belongs to the kernel: "kernels/a.cu:12", or
/// with inlined functions "kernels/lib/reduce.cuh:40 in kernels/a.cu:12". Runs addr2line of binutils, which is slow.
/// Without a result it returns an offset into the library.
std::string locate(std::span<void* const> instructions, const Kernel& kernel);

}  // namespace spinegrad::simulator
