#!/bin/sh
# The Array API standard's own tests, against corten.array_api: tools/array_api_suite.sh [FOLDER] [pytest arguments].
# FOLDER is a clone of https://github.com/data-apis/array-api-tests with its submodule; it is made when it is not there.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
suite=${1:-$here/build/array-api-tests}
[ $# -gt 0 ] && shift
if [ ! -d "$suite" ]; then
    git clone -q https://github.com/data-apis/array-api-tests "$suite"
    git -C "$suite" checkout -q 55fcc60179efa2680ddd6cd926ddf17b83530e2b
    git -C "$suite" submodule -q update --init
fi
cd "$suite"
export ARRAY_API_TESTS_MODULE=corten.array_api
exec python -m pytest array_api_tests -q -p no:cacheprovider --disable-deadline --derandomize --max-examples="${EXAMPLES:-10}" \
    --xfails-file "$here/tests/array_api/xfails.txt" "$@"
