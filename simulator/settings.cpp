#include "simulator/settings.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "simulator/report.h"

namespace spinegrad::simulator {
namespace {

[[noreturn]] void reject(const char* name, const char* found, const char* expected) {
  fprintf(stderr, "%s: found '%s', expected %s\n", name, found, expected);
  exit(2);
}

template <class T>
void readNumber(const char* name, T& into, double minimum = 1) {
  const char* const text = getenv(name);
  if (!text) return;
  char* end;
  const double value = strtod(text, &end);
  if (end == text || *end || !(value >= minimum))
    reject(name, text, format("a number of at least %g", minimum).c_str());
  into = static_cast<T>(value);
}

Settings read() {
  Settings settings;
  settings.threads = static_cast<int>(std::thread::hardware_concurrency());
  if (settings.threads < 1) settings.threads = 1;
  if (const char* const text = getenv("SPINEGRAD_SIMULATOR_ORDER")) {
    const std::string order = text;
    if (order == "reverse") {
      settings.order = Settings::Order::reverse;
    } else if (order.rfind("random:", 0) == 0 && order.find_first_not_of("0123456789", 7) == std::string::npos &&
               order.size() > 7) {
      settings.order = Settings::Order::random;
      settings.seed = strtoull(text + 7, nullptr, 10);
    } else if (order != "forward") {
      reject("SPINEGRAD_SIMULATOR_ORDER", text, "forward, reverse or random:SEED");
    }
  }
  readNumber("SPINEGRAD_SIMULATOR_SECONDS", settings.seconds, 0.001);
  readNumber("SPINEGRAD_SIMULATOR_MEMORY", settings.memory);
  readNumber("SPINEGRAD_SIMULATOR_DEVICES", settings.devices, 0);
  readNumber("SPINEGRAD_SIMULATOR_VERSION", settings.version);
  readNumber("SPINEGRAD_SIMULATOR_CAPABILITY", settings.capability);
  if (const char* const text = getenv("SPINEGRAD_SIMULATOR_FAIL")) {
    const char* const equals = strchr(text, '=');
    if (equals == nullptr) reject("SPINEGRAD_SIMULATOR_FAIL", text, "NAME=RESULT");
    settings.failing.assign(text, equals);
    settings.result = atoi(equals + 1);
  }
  readNumber("SPINEGRAD_SIMULATOR_THREADS", settings.threads);
  return settings;
}

}  // namespace

const Settings& settings() {
  static const Settings settings = read();
  return settings;
}

}  // namespace spinegrad::simulator
