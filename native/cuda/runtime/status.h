// Errors that only the data can tell. A kernel writes into the context's status word; the next download reads it and
// throws the error that was agreed on here. So nothing waits for the device in between; what runs behind the error
// computes with whatever it finds, but within its own memory.
#pragma once

#include <string>

#include "kernels/status.h"
#include "native/engine/error.h"

namespace spinegrad::cuda {

/// The number by which a kernel names this error. In `text`, {value} and {position} stand for what the kernel reports;
/// {float} for the value where its bits are those of a float.
int32_t reportLater(const std::string& code, const std::string& text);

/// The error that a kernel reported.
Error errorOf(const Status& status);

/// Reports the first of `count` values that is not within [low, high].
void expectRange(const int32_t* values, int64_t count, int32_t low, int32_t high, const std::string& code,
                 const std::string& text);

}  // namespace spinegrad::cuda
