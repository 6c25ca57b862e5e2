// Reports go to stderr, one at a time, each starting with "spinegrad simulator: ".
#pragma once

#include <string>

#include "simulator/runtime.h"

namespace spinegrad::simulator {

void report(const std::string& text);
std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
std::string format(Site site);
std::string format(Index index);

}  // namespace spinegrad::simulator
