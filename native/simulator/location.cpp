#include "native/simulator/location.h"

#include <dlfcn.h>

#include <cstdio>

#include "native/simulator/report.h"

namespace spinegrad::simulator {

std::string locate(const void* instruction, const Kernel& kernel) {
  Dl_info library;
  if (!dladdr(instruction, &library)) return format("%p", instruction);
  const auto offset =
      static_cast<size_t>(static_cast<const char*>(instruction) - static_cast<const char*>(library.dli_fbase));
  std::string places;
  const std::string command = format("addr2line -i -e '%s' 0x%zx 2>/dev/null", library.dli_fname, offset);
  if (FILE* const answer = popen(command.c_str(), "r")) {
    char line[1024];
    while (fgets(line, sizeof line, answer)) {
      std::string place(line);
      place.erase(place.find_last_not_of(" \n") + 1);
      if (const size_t note = place.find(" (discriminator"); note != std::string::npos) place.erase(note);
      if (const size_t at = place.find(SPINEGRAD_SOURCE_FOLDER); at != std::string::npos)
        place.erase(0, at + sizeof SPINEGRAD_SOURCE_FOLDER - 1);
      // What calls the kernel is of no interest, nor is what cannot be told.
      if (place.rfind("??", 0) == 0 || place.rfind("native/simulator/", 0) == 0) continue;
      if (!places.empty() && place == format(kernel.site)) continue;
      places += (places.empty() ? "" : " in ") + place;
    }
    pclose(answer);
  }
  return places.empty() ? format("%s+0x%zx", library.dli_fname, offset) : places;
}

}  // namespace spinegrad::simulator
