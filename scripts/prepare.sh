#!/usr/bin/env bash
# npm's `prepare`: builds a clone. In a package, the declarations leave out what is marked as internal; tests and benches use it.
set -euo pipefail
npm run build
case "${npm_command:-}" in pack | publish) npm run build:types ;; esac
