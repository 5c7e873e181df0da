"""Builds the extensions: each kernel file once for every instruction set and number type, then Cython on top."""

import functools
import hashlib
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

NATIVE = Path("native")
KERNELS = sorted(NATIVE.glob("kernels/*.c")) + sorted(NATIVE.glob("learn/*.c"))
PLAIN = sorted(NATIVE.glob("*.c"))

JOBS = int(os.environ.get("CORTEN_JOBS", os.cpu_count() or 1))
SANITIZE = os.environ.get("CORTEN_SANITIZE", "")  # for example "address,undefined"
FLAGS = ["-std=gnu11", "-O3", "-g0", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
         "-fvisibility=hidden", "-Wall", "-Wextra"]  # fmt: skip
PYTHON_FLAGS = ["-O2", "-DNDEBUG", "-fwrapv", "-fno-strict-aliasing", "-Wno-unused-function", "-Wno-unused-parameter",
                "-Wno-maybe-uninitialized", "-Wno-sign-compare", "-Wno-missing-field-initializers", "-Wno-cast-function-type"]  # fmt: skip
KERNEL_FLAGS = []
if SANITIZE:
    FLAGS += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-g1", "-O1"]
    # Checks in unrolled vector code take minutes to compile, so it has those that find something. A null pointer stops the
    # program anyway; AddressSanitizer knows the size of objects; every lane would be checked for overflow and every load for
    # alignment, which no supported CPU asks for: both stay in native/*.c. Small register tiles (gemm_tile.h) leave the loops
    # around them, and all their checks, as they are. What Cython wrote is checked for addresses alone.
    KERNEL_FLAGS += ["-DGEMM_MR=2"]
    PYTHON_FLAGS += ["-O0"]
    if "undefined" in SANITIZE:
        FLAGS += ["-fno-sanitize=pointer-overflow,object-size,null"]
        KERNEL_FLAGS += ["-fno-sanitize=signed-integer-overflow,alignment"]
        PYTHON_FLAGS += ["-fno-sanitize=undefined"]


def isa_flags():
    """Instruction sets to compile for on this machine's architecture."""
    machine = os.environ.get("CORTEN_TARGET", platform.machine()).lower()
    if machine not in ("x86_64", "amd64"):
        return {"baseline": []}
    isas = {
        "baseline": ["-march=x86-64-v2"],
        "avx2": ["-march=x86-64-v3"],
        "avx512": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    }
    wanted = os.environ.get("CORTEN_BUILD_ISA")  # a comma list, for quick development and sanitizer builds
    if wanted:
        isas = {k: v for k, v in isas.items() if k == "baseline" or k in wanted.split(",")}
    return isas


def compiles(compiler, flags, source="int main(void) { return 0; }"):
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp, "probe.c")
        path.write_text(source)
        command = [*compiler, *flags, str(path), "-o", str(Path(tmp, "probe"))]
        return subprocess.run(command, capture_output=True).returncode == 0


class Build(build_ext):
    def finalize_options(self):
        super().finalize_options()
        self.parallel = JOBS

    def build_extensions(self):
        compiler = [c for c in getattr(self.compiler, "compiler", ["cc"]) if not c.startswith(("-O", "-g", "-W"))]
        isas = {k: v for k, v in isa_flags().items() if not v or compiles(compiler, v)}
        openmp = []
        if "thread" not in SANITIZE and os.environ.get("CORTEN_OPENMP", "1") != "0":
            probe = "#include <omp.h>\nint main(void) { return omp_get_num_procs() < 0; }"
            openmp = ["-fopenmp"] if compiles(compiler, ["-fopenmp"], probe) else []
        out = Path("build", "native" + (f"-{SANITIZE.replace(',', '-')}" if SANITIZE else ""))  # shared by wheel and editable builds
        jobs = []
        for isa, arch in isas.items():
            for double, dtype in enumerate(("f32", "f64")):
                suffix = f"{dtype}_{isa}"
                defines = [f"-DCT_REAL_DOUBLE={double}", f"-DCT_SUFFIX={suffix}"]
                for source in KERNELS:
                    jobs.append((source, out / f"{source.stem}_{suffix}.o", [*FLAGS, *KERNEL_FLAGS, *arch, *defines]))
        with_isas = [f"-DCT_WITH_{isa.upper()}" for isa in isas]
        for source in PLAIN:
            jobs.append((source, out / f"{source.stem}.o", [*FLAGS, *with_isas, *(openmp if source.stem == "par" else [])]))
        kernels = [str(target) for _, target, _ in jobs]
        include = sysconfig.get_path("include", vars={"base": sys.base_prefix, "installed_base": sys.base_prefix})
        for ext in self.extensions:  # what Cython wrote: compiled with the kernels, the longest first, and linked below
            for source in map(Path, ext.sources):
                target = out / "python" / f"{ext.name}.{sys.implementation.cache_tag}.o"
                jobs.append((source, target, [*FLAGS, *PYTHON_FLAGS, f"-I{include}", "-Inative"]))
                ext.extra_objects.append(str(target))
            ext.sources = []
            if SANITIZE:
                ext.extra_link_args += [f"-fsanitize={SANITIZE}"]
            if ext.name == "corten._core.native":
                ext.extra_objects += kernels
                ext.extra_link_args += openmp
            ext.depends = list(ext.extra_objects)  # link anew when one of them changed

        def compile_one(job):
            source, target, flags = job
            stamp, depends = target.with_suffix(".cmd"), target.with_suffix(".d")
            command = [*compiler, *flags, "-MMD", "-MF", str(depends), "-c", str(source), "-o", str(target)]
            if target.exists() and stamp.exists() and stamp.read_text() == state(command, depends):
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(command, check=True)
            stamp.write_text(state(command, depends))

        jobs.sort(key=cost, reverse=True)
        with ThreadPoolExecutor(self.parallel) as pool:
            list(pool.map(compile_one, jobs))
        super().build_extensions()


@functools.cache
def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def state(command, depends):
    """What an object is made from: its command and the contents, not the dates, of the files that it read."""
    inputs = depends.read_text().partition(": ")[2].replace("\\\n", " ").split() if depends.exists() else []
    return "\n".join([" ".join(command), *(f"{digest(p)} {p}" for p in inputs if Path(p).exists())])


def cost(job):
    """About the seconds that a compiler takes, so that the longest begin first."""
    source, _, _ = job
    seconds = {"conv": 10, "elementwise": 8, "reduce": 7, "loss_pointwise": 5, "gemm": 4, "activation": 4}
    return seconds.get(source.stem, source.stat().st_size / (20_000 if source in KERNELS + PLAIN else 200_000))


class Modules(build_py):
    """The wheel carries the examples as corten/examples, for `corten examples`."""

    def run(self):
        super().run()
        if not getattr(self, "editable_mode", False):
            for path in sorted(Path("examples").rglob("*")):
                if path.suffix in (".py", ".md"):
                    target = Path(self.build_lib, "corten", path)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self.copy_file(str(path), str(target))


def extensions():
    """One extension for each .pyx; all but the core reach the kernels through the core's C functions."""
    found = []
    for path in sorted(Path("src").rglob("*.pyx")):
        name = ".".join(path.relative_to("src").with_suffix("").parts)
        found.append(Extension(name, [str(path)]))
    return found


DIRECTIVES = {"language_level": 3, "boundscheck": False, "wraparound": True, "cdivision": True,
              "initializedcheck": False, "embedsignature": False, "freethreading_compatible": False}  # fmt: skip

if __name__ == "__main__":
    setup(
        ext_modules=cythonize(extensions(), compiler_directives=DIRECTIVES, include_path=["src"], build_dir="build/cython",
                              nthreads=JOBS),
        cmdclass={"build_ext": Build, "build_py": Modules},
    )  # fmt: skip
