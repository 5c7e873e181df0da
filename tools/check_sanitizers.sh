#!/usr/bin/env bash
# Builds the extensions with AddressSanitizer and UndefinedBehaviorSanitizer into a folder of their own and runs the
# tests of ops and the fuzz tests on them. Arguments: other tests to run. PYTHON names an interpreter that has the
# package's build and test requirements. CORTEN_BUILD_ISA=avx512 adds that variant to the baseline.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
base=build/sanitize

rm -rf "$base"/lib*
CORTEN_SANITIZE=address,undefined CORTEN_BUILD_ISA=${CORTEN_BUILD_ISA:-baseline} \
    "$python" setup.py -q build --build-base "$base" --build-lib "$base/lib" --build-temp "$base/temp"

tests=("$@")
if ((${#tests[@]} == 0)); then
    for path in tests/ops tests/core tests/data/test_idx.py tests/data/test_loader.py tests/fuzz; do
        [[ -e $path ]] && tests+=("$path")
    done
fi
asan=$(${CC:-gcc} -print-file-name=libasan.so)
ubsan=$(${CC:-gcc} -print-file-name=libubsan.so)
stdcxx=$(${CC:-gcc} -print-file-name=libstdc++.so.6) # loaded early: ASan looks for its throw when a library comes later
# torch is not instrumented and its own allocator gives false alarms; the NumPy references judge here
export LD_PRELOAD="$asan $ubsan $stdcxx" PYTHONPATH="$PWD/$base/lib" PYTHONMALLOC=malloc
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:handle_segv=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
"$python" -c "import corten, sys; assert 'sanitize' in corten.__file__, corten.__file__"
"$python" -m pytest -q -x -p no:cacheprovider --timeout 600 "${tests[@]}"
echo "sanitizers: ok"
