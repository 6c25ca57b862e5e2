#!/usr/bin/env bash
# Runs clang-format, with the arguments given, on all C++ of the project. Versions differ in taste, so only one counts:
# where it is missing the C++ goes unchecked, visibly; under CI that is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

version=14
for tool in "clang-format-$version" clang-format; do
  if "$tool" --version 2>/dev/null | grep -q "version $version\."; then
    find native kernels simulator test -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' | xargs "$tool" "$@"
    exit
  fi
done
echo "clang-format $version was not found, so the format of the C++ was not checked; on Debian 12: apt-get install clang-format" >&2
[[ -z "${CI:-}" ]]
