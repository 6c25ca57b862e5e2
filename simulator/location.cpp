#include "simulator/location.h"

#include <dlfcn.h>

#include <cstdio>
#include <filesystem>

#include "simulator/report.h"

namespace spinegrad::simulator {
namespace {

std::string locateOne(const Dl_info& library, size_t offset, const Kernel& kernel) {
  std::string places;
  const std::string command = format("addr2line -i -e '%s' 0x%zx 2>/dev/null", library.dli_fname, offset);
  FILE* const answer = popen(command.c_str(), "r");
  if (!answer) return places;
  const std::string folder = SPINEGRAD_SOURCE_FOLDER;
  char line[1024];
  while (fgets(line, sizeof line, answer)) {
    std::string place = std::filesystem::path(line).lexically_normal();
    place.erase(place.find_last_not_of(" \n") + 1);
    if (const size_t note = place.find(" (discriminator"); note != std::string::npos) place.erase(note);
    // Skip the frames of the simulator itself.
    if (place.rfind(folder, 0) != 0) continue;
    place.erase(0, folder.size());
    if (place.rfind("simulator/", 0) == 0 || (!places.empty() && place == format(kernel.site))) continue;
    places += (places.empty() ? "" : " in ") + place;
  }
  pclose(answer);
  return places;
}

}  // namespace

std::string locate(std::span<void* const> instructions, const Kernel& kernel) {
  std::string fallback = "an unknown location";
  Dl_info own, library;
  dladdr(reinterpret_cast<const void*>(locate), &own);
  for (const void* const instruction : instructions) {
    if (!dladdr(instruction, &library) || library.dli_fbase != own.dli_fbase) continue;
    const auto offset =
        static_cast<size_t>(static_cast<const char*>(instruction) - static_cast<const char*>(library.dli_fbase));
    if (const std::string places = locateOne(library, offset, kernel); !places.empty()) return places;
    fallback = format("%s+0x%zx", library.dli_fname, offset);
  }
  return fallback;
}

}  // namespace spinegrad::simulator
