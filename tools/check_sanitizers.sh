#!/usr/bin/env bash
# Builds the extensions with AddressSanitizer and UndefinedBehaviorSanitizer into a folder of their own and runs on them
# the tests that reach the kernels of ops and layers and those of bad input. Arguments: other tests to run. PYTHON names
# an interpreter that has the package's build and test requirements; where it lacks PyTorch, tests that compare with it
# are skipped. CORTEN_BUILD_ISA=avx512 adds that variant to the baseline.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
base=build/sanitize
jobs=${CORTEN_JOBS:-$(nproc)}

rm -rf "$base"/lib*
CORTEN_SANITIZE=address,undefined CORTEN_BUILD_ISA=${CORTEN_BUILD_ISA:-baseline} \
    "$python" setup.py -q build --build-base "$base" --build-lib "$base/lib" --build-temp "$base/temp"
echo "built in $SECONDS s"

tests=("$@")
if ((${#tests[@]} == 0)); then
    tests=(tests/fuzz tests/ops/test_common.py tests/core/test_indexing.py tests/nn/test_conv.py tests/nn/test_losses.py
           tests/nn/test_recurrent.py tests/nn/test_attention.py tests/nn/test_layers_equal_torch.py
           tests/optim/test_trajectories.py tests/data/test_idx.py tests/data/test_loader.py tests/data/test_readers.py
           tests/test_serialization.py tests/learn/test_bad_input.py)
fi
asan=$(${CC:-gcc} -print-file-name=libasan.so)
ubsan=$(${CC:-gcc} -print-file-name=libubsan.so)
stdcxx=$(${CC:-gcc} -print-file-name=libstdc++.so.6) # loaded early: ASan looks for its throw when a library comes later
export LD_PRELOAD="$asan $ubsan $stdcxx" PYTHONPATH="$PWD/$base/lib" PYTHONMALLOC=malloc
# other libraries of the process are not instrumented: some of them free with delete what malloc gave
log=$PWD/$base/report # a worker that stops takes what it printed with it
rm -f "$log".*
export ASAN_OPTIONS=detect_leaks=0:alloc_dealloc_mismatch=0:allocator_may_return_null=1:handle_segv=1:log_path=$log
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:log_path=$log
"$python" -c "import corten, sys; assert 'sanitize' in corten.__file__, corten.__file__"
# second derivatives and runs without data call nothing that the rest does not
failed=0
"$python" -m pytest -q -n "$jobs" -p no:cacheprovider --timeout 600 -k "not second and not shape_only" "${tests[@]}" || failed=$?
unset LD_PRELOAD
if compgen -G "$log.*" >/dev/null; then
    cat "$log".* >&2
    failed=1
fi
((failed == 0)) || exit "$failed"
echo "sanitizers: ok in $SECONDS s"
