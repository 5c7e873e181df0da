"""Runs scripts one after the other and prints what each left in RESULT, as JSON. Started by the tests under the compatibility."""

import contextlib
import io
import json
import runpy
import sys
import traceback

for path in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            found = runpy.run_path(path, run_name="script")["RESULT"]
        except BaseException:
            found = {"error": traceback.format_exc()}
    print(json.dumps(found), flush=True)
