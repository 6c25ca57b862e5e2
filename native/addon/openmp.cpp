// A small addon that loads libgomp before the addon that needs it. A waiting OpenMP thread must not burn the core that
// decodes DICOM, but to sleep and be woken costs more than the few microseconds to the next parallel loop. libgomp
// takes both settings from the environment, once, when it is loaded. A worker thread cannot change that environment
// through process.env, and the application and its child processes must not see a change.

#include <dlfcn.h>
#include <node_api.h>

#include <cstdlib>
#include <mutex>
#include <vector>

extern char** environ;

namespace {

/// Loads libgomp with an environment of its own. Other threads may read either environment at any time.
void loadOpenMp() {
  static char policy[] = "OMP_WAIT_POLICY=passive", spins[] = "GOMP_SPINCOUNT=1000";
  static std::vector<char*> variables;
  if (environ == nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  char** const before = environ;
  for (char** variable = before; *variable != nullptr; ++variable) variables.push_back(*variable);
  variables.push_back(policy);
  if (std::getenv("GOMP_SPINCOUNT") == nullptr) variables.push_back(spins);
  variables.push_back(nullptr);
  environ = variables.data();
  dlopen("libgomp.so.1", RTLD_NOW);  // if it fails, so does the next addon, with a message
  if (environ == variables.data()) environ = before;
}

}  // namespace

NAPI_MODULE_INIT() {
  static_cast<void>(env);
  static std::once_flag once;
  std::call_once(once, loadOpenMp);
  return exports;
}
