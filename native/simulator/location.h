// Where in the source an instruction of this library comes from.
#pragma once

#include <string>

#include "native/simulator/dialect.h"

namespace spinegrad::simulator {

/// "kernels/a.cu:12", after what was inlined there: "kernels/lib/reduce.cuh:40 in kernels/a.cu:12". Asks addr2line of
/// the binutils, so it takes its time; where there is none, the answer is an offset into the library.
std::string locate(const void* instruction, const Kernel& kernel);

}  // namespace spinegrad::simulator
