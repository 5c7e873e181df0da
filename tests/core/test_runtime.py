"""What the compiled core promises beside its values: memory, threads, interrupts, forks, instruction sets."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import corten

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc or forks")


def run(code: str, **env: str) -> str:
    """Output of a fresh interpreter."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **env}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


# ---- memory


def test_a_tensor_in_the_place_of_another_brings_nothing_of_it() -> None:
    x = corten.ones(3)
    y = (x + x).requires_grad_()
    y.grad = corten.ones(3)
    y.register_hook(lambda g: g)
    y.note = "kept in __dict__"
    gone = []
    weakref.finalize(y, gone.append, True)
    address = id(y)
    types = sys.getrefcount(corten.Tensor)
    del y
    assert gone == [True]
    z = x + x  # takes the object that was freed last
    assert id(z) == address
    assert type(z) is corten.Tensor
    assert (z.requires_grad, z.grad, z.grad_fn, z.retains_grad, vars(z)) == (False, None, None, False, {})
    assert sys.getrefcount(corten.Tensor) == types
    gc.collect()
    assert z.tolist() == [2.0, 2.0, 2.0]


def test_freed_memory_is_used_again() -> None:
    x = corten.ones(300, 1000)
    address = x.data_ptr()
    before = corten.memory_stats()
    del x
    y = corten.empty(300, 1000)
    after = corten.memory_stats()
    assert y.data_ptr() == address
    assert after["hits"] > before["hits"]


def test_the_cache_is_bounded_and_can_be_emptied() -> None:
    limit = corten.memory_stats()["limit"]
    try:
        corten.set_memory_cache_limit(4 << 20)
        held = [corten.empty(1 << 18) for _ in range(20)]  # 20 MiB
        del held
        assert corten.memory_stats()["cached"] <= 4 << 20
        corten.set_memory_cache_limit(0)
        assert corten.memory_stats()["cached"] == 0
        corten.empty(1 << 18)
        assert corten.memory_stats()["cached"] == 0
    finally:
        corten.set_memory_cache_limit(limit)
    corten.empty(1 << 18)
    corten.empty_cache()
    assert corten.memory_stats()["cached"] == 0


def test_the_peak_is_measured() -> None:
    corten.reset_peak_memory_stats()
    before = corten.memory_stats()["in_use"]
    x = corten.empty(1 << 20)
    del x
    stats = corten.memory_stats()
    assert stats["peak"] - before >= 4 << 20
    assert stats["in_use"] <= before


def test_addresses_are_aligned() -> None:
    for n in (1, 3, 17, 1000, 12345, 1 << 20):
        assert corten.empty(n).data_ptr() % 64 == 0


def test_memory_that_cannot_be_had_raises() -> None:
    with pytest.raises(MemoryError):
        corten.empty(1 << 44)
    assert corten.ones(3).sum().item() == 3


# ---- threads


@linux_only
def test_small_work_wakes_no_threads_and_large_work_does() -> None:
    code = """
import corten, os
corten.set_num_threads(2)
count = lambda: len(os.listdir('/proc/self/task'))
start = count()
x = corten.ones(20, 20, requires_grad=True)
for _ in range(20): ((x @ x).relu() * 2).sum().backward()
small = count()
(corten.ones(1000, 1000) @ corten.ones(1000, 1000))
print(small - start, count() - start)
"""
    assert run(code) == "0 1"


def test_the_gil_is_released_in_long_ops_only() -> None:
    """While one thread multiplies large matrices, another gets on with Python."""
    x = corten.ones(1500, 1500)
    ticks, done = [0], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks[0] += 1
            time.sleep(0)

    before = corten.get_num_threads()
    corten.set_num_threads(1)
    worker = threading.Thread(target=tick)
    worker.start()
    try:
        start = ticks[0]
        x @ x
        assert ticks[0] - start > 5
    finally:
        done.set()
        worker.join()
        corten.set_num_threads(before)


def test_limits_of_threads_are_respected() -> None:
    assert run("import corten; print(corten.get_num_threads())", CORTEN_NUM_THREADS="3") == "3"
    assert run("import corten; print(corten.get_num_threads())", CORTEN_NUM_THREADS="", OMP_NUM_THREADS="1") == "1"
    with pytest.raises(ValueError):
        corten.set_num_threads(0)


@linux_only
def test_affinity_limits_threads() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import corten; print(corten.get_num_threads())"
    env = {"CORTEN_NUM_THREADS": "", "OMP_NUM_THREADS": ""}
    assert run(code, **env) == "1"


@linux_only
def test_eight_python_threads_share_one_budget() -> None:
    """Never do more threads run kernels at once than the limit, counted by the CPU time of the process."""
    code = """
import corten, threading, time
corten.set_num_threads(1)
x = corten.ones(700, 700)
x @ x
def work():
    for _ in range(6): x @ x
threads = [threading.Thread(target=work) for _ in range(8)]
wall, cpu = time.perf_counter(), time.process_time()
for t in threads: t.start()
for t in threads: t.join()
print((time.process_time() - cpu) / (time.perf_counter() - wall))
"""
    assert float(run(code)) < 1.4


def test_eight_threads_compute_what_one_does() -> None:
    x = corten.from_numpy(np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32))
    expected = (x @ x).exp().sum(0).numpy().tobytes()
    found: list[bytes] = []

    def work() -> None:
        found.extend((x @ x).exp().sum(0).numpy().tobytes() for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [expected] * 80


def test_graphs_of_eight_threads_stay_apart() -> None:
    wrong: list[str] = []

    def work(k: int) -> None:
        for _ in range(50):
            x = corten.full((64,), float(k), requires_grad=True)
            (x * x).sum().backward()
            if x.grad.tolist() != [2.0 * k] * 64:
                wrong.append(str(x.grad))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@linux_only
def test_a_fork_after_a_parallel_region_works() -> None:
    code = """
import corten, os
corten.set_num_threads(2)
x = corten.ones(800, 800)
x @ x
child = os.fork()
if child == 0:
    ok = (x @ x).sum().item() == 800.0 ** 3
    os._exit(0 if ok else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (x @ x)[0, 0].item())
"""
    assert run(f"import warnings; warnings.simplefilter('ignore')\n{code}") == "0 800.0"


@linux_only
def test_other_libraries_thread_pools_live_beside_ours() -> None:
    pytest.importorskip("torch")
    code = """
import numpy, torch, scipy.linalg, corten
a = numpy.random.default_rng(0).standard_normal((250, 250))
for _ in range(2):
    x = (corten.from_numpy(a) @ corten.from_numpy(a)).numpy()
    y = (torch.from_numpy(a) @ torch.from_numpy(a)).numpy()
    z = scipy.linalg.blas.dgemm(1.0, a, a)
    scipy.linalg.lu_factor(a)
    assert numpy.allclose(x, y) and numpy.allclose(x, z)
print("ok")
"""
    assert run(f"import warnings; warnings.simplefilter('ignore')\n{code}") == "ok"


# ---- interrupts


@linux_only
def test_ctrl_c_in_a_long_op_is_honoured_when_it_returns() -> None:
    code = """
import corten, os, signal, threading, time
x = corten.ones(1200, 1200)
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.perf_counter()
try:
    while True: x @ x
except KeyboardInterrupt:
    print("interrupted", time.perf_counter() - start < 5)
print((corten.ones(3) + 1).tolist())
"""
    assert run(code).splitlines() == ["interrupted True", "[2.0, 2.0, 2.0]"]


@linux_only
def test_ctrl_c_in_backward_leaves_the_graph_usable() -> None:
    x = corten.ones(3, requires_grad=True)
    y = x
    for _ in range(50):
        y = y * 1.0
    y.register_hook(lambda g: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        y.sum().backward(retain_graph=True)
        time.sleep(1)
    z = (x * 2).sum()
    x.grad = None
    z.backward()
    assert x.grad.tolist() == [2, 2, 2]


# ---- instruction sets

VALUES = """
import numpy as np, corten
r = np.random.default_rng(0)
x = corten.from_numpy(r.standard_normal((37, 53)).astype(np.DTYPE))
y = corten.from_numpy(r.standard_normal((53, 29)).astype(np.DTYPE))
outs = [x.exp(), x.tanh(), x.sigmoid(), x.abs().log(), x.sin(), x.abs().sqrt(), x @ y, x.sum(0), x.var(1),
        corten.nn.functional.softmax(x, 1), corten.nn.functional.gelu(x), corten.nn.functional.layer_norm(x, (53,))]
np.savez(OUT, *[o.numpy() for o in outs])
"""


@pytest.mark.parametrize(("dtype", "ulps"), [("float32", 8), ("float64", 8)])
def test_instruction_sets_agree(dtype: str, ulps: int, tmp_path: object) -> None:
    """Elementwise within a few units in the last place of the largest value of the result."""
    from corten._core import native

    found = []
    for isa in native.available_isas():
        path = f"{tmp_path}/{isa}.npz"
        run(f"OUT = {path!r}\n" + VALUES.replace("DTYPE", dtype), CORTEN_ISA=isa)
        with np.load(path) as kept:
            found.append([kept[k] for k in kept.files])
    if len(found) < 2:
        pytest.skip("only one instruction set here")
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            scale = np.maximum(np.abs(a), np.abs(a).mean()) if a.ndim else np.abs(a)
            assert (np.abs(a.astype(np.float64) - b) <= ulps * np.finfo(a.dtype).eps * scale).all()


def test_an_unknown_instruction_set_is_refused() -> None:
    done = subprocess.run([sys.executable, "-c", "import corten"], capture_output=True, text=True, check=False,
                          env={**os.environ, "CORTEN_ISA": "mmx"})  # fmt: skip
    assert done.returncode == 1
    assert "CORTEN_ISA=mmx" in done.stderr


def test_import_brings_in_nothing_optional_or_heavy() -> None:
    """Every start of a program pays for what the package imports: NumPy, layers and estimators wait until they are used."""
    heavy = ("sklearn", "matplotlib", "PIL", "torch", "onnx", "pandas", "numpy", "scipy", "inspect", "dataclasses", "asyncio", "logging",
             "subprocess", "multiprocessing", "unittest", "pickle", "json", "corten.nn", "corten.optim", "corten.learn", "corten.data",
             "corten.train", "corten.vision", "corten.text", "corten.compat", "corten.linalg", "corten.fft", "corten.special")  # fmt: skip
    code = f"import sys; before = set(sys.modules); import corten; print([m for m in {heavy} if m in set(sys.modules) - before])"
    assert run(code) == "[]"


def test_import_brings_in_few_modules() -> None:
    code = "import sys; before = set(sys.modules); import corten; print(len(set(sys.modules) - before))"
    assert int(run(code)) < 100
