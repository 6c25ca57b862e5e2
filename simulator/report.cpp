#include "simulator/report.h"

#include <cstdarg>
#include <cstdio>

namespace spinegrad::simulator {

void report(const std::string& text) { fprintf(stderr, "spinegrad simulator: %s\n", text.c_str()); }

std::string format(const char* pattern, ...) {
  va_list arguments, again;
  va_start(arguments, pattern);
  va_copy(again, arguments);
  std::string text(static_cast<size_t>(vsnprintf(nullptr, 0, pattern, arguments)), '\0');
  vsnprintf(text.data(), text.size() + 1, pattern, again);
  va_end(arguments);
  va_end(again);
  return text;
}

std::string format(Site site) { return format("%s:%d", site.file, site.line); }

std::string format(Index index) { return format("(%u, %u, %u)", index.x, index.y, index.z); }

}  // namespace spinegrad::simulator
