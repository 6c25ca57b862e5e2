// Errors that depend on data on the device. A kernel writes a report to the status of the context, and the next
// download throws it, so the host never waits for the check. Operations enqueued in between run on invalid values, but
// only within their own memory.
#pragma once

#include <string>

#include "kernels/status.h"
#include "native/engine/error.h"

namespace spinegrad::cuda {

/// Registers an error and returns the number that a kernel reports. {value} and {position} in `text` are replaced by
/// the reported numbers, {float} by the value read as the bits of a float.
int32_t reportLater(const std::string& code, const std::string& text);

/// The error for a report.
Error errorOf(const Status& status);

/// Reports the first of `count` values outside [low, high].
void expectRange(const int32_t* values, int64_t count, int32_t low, int32_t high, const std::string& code,
                 const std::string& text);

}  // namespace spinegrad::cuda
