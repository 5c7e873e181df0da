"""Processes that share a run (pytest -n) share the cores: spinning threads of one would stand in the way of another."""

import os

workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if workers > 1:  # before anything that counts threads is imported; a test that is about threads asks for its own
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
