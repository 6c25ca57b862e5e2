#!/usr/bin/env bash
# Runs the tests of the operations on the simulator with its checker: races, accesses out of bounds, uninitialised memory.
# Arguments are test files of operations (default: all, and those of the simulator itself).
set -euo pipefail
cd "$(dirname "$0")/.."

command -v clang++ >/dev/null || {
  echo "check:kernels: clang++ was not found; on Debian: apt-get install clang" >&2
  exit 1
}
npm run build
cmake -S simulator -B build/checked -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DSPINEGRAD_CHECKED=ON >/dev/null
cmake --build build/checked

# Without the cache each tensor is an allocation of its own, with red zones around it.
export SPINEGRAD_CUDA_LIBRARY=build/Release/libcuda-simulator-checked.so SPINEGRAD_CUDA_CACHE=0
SLOW=600000 # milliseconds a test may take: checked kernels are some ten times as slow
if (($#)); then
  npx vitest run --project cuda "$@" --testTimeout "$SLOW"
else
  npx vitest run --project cuda test/ops test/optim --testTimeout "$SLOW"
  npx vitest run --project spinegrad test/simulator --testTimeout "$SLOW"
fi
