#!/usr/bin/env bash
# Runs the CPU's tests with AVX-512's blocks of 16 channels, compiled to AVX2 instructions, so that a processor without
# AVX-512 tests them. Arguments: test files (default: operations, networks and optimizers).
set -euo pipefail
cd "$(dirname "$0")/.."

npm run build
npx cmake-js build --out build/wide-cmake --CDSPINEGRAD_WIDE=ON --target spinegrad
(($#)) || set -- test/ops test/nn test/optim
NODE_BINDINGS_COMPILED_DIR=build/wide npx vitest run --project spinegrad "$@"
