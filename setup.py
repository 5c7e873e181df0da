"""Builds the extensions: each kernel file once for every instruction set and number type, then Cython on top."""

import os
import platform
import subprocess
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
HEADERS = sorted(str(p) for p in NATIVE.rglob("*.*") if p.suffix in (".h", ".def"))

SANITIZE = os.environ.get("CORTEN_SANITIZE", "")  # for example "address,undefined"
FLAGS = ["-std=gnu11", "-O3", "-g0", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
         "-fvisibility=hidden", "-Wall", "-Wextra"]  # fmt: skip
if SANITIZE:
    FLAGS += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-g", "-O1"]


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
        self.parallel = int(os.environ.get("CORTEN_JOBS", os.cpu_count() or 1))

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
                    jobs.append((source, out / f"{source.stem}_{suffix}.o", [*FLAGS, *arch, *defines]))
        with_isas = [f"-DCT_WITH_{isa.upper()}" for isa in isas]
        for source in PLAIN:
            jobs.append((source, out / f"{source.stem}.o", [*FLAGS, *with_isas, *(openmp if source.stem == "par" else [])]))

        def compile_one(job):
            source, target, flags = job
            stamp = target.with_suffix(".cmd")
            depends = target.with_suffix(".d")
            command = [*compiler, *flags, "-MMD", "-MF", str(depends), "-c", str(source), "-o", str(target)]
            if target.exists() and depends.exists() and stamp.exists() and stamp.read_text() == " ".join(command):
                inputs = [Path(p) for p in depends.read_text().partition(":")[2].replace("\\\n", " ").split()]
                if all(p.exists() and p.stat().st_mtime <= target.stat().st_mtime for p in inputs):
                    return str(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(command, check=True)
            stamp.write_text(" ".join(command))
            return str(target)

        jobs.sort(key=lambda job: -job[0].stat().st_size)
        with ThreadPoolExecutor(self.parallel) as pool:
            objects = list(pool.map(compile_one, jobs))
        for ext in self.extensions:
            ext.extra_compile_args += ["-std=gnu11", "-O2", "-fvisibility=hidden", "-Wno-unused-function"]
            if SANITIZE:
                ext.extra_compile_args += [f"-fsanitize={SANITIZE}", "-g", "-O1"]
                ext.extra_link_args += [f"-fsanitize={SANITIZE}"]
            if ext.name == "corten._core.native":
                ext.extra_objects = objects
                ext.depends = [*ext.depends, *objects]  # link anew when a kernel changed
                ext.extra_link_args += openmp
        super().build_extensions()


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
        depends = HEADERS + [str(p) for p in path.parent.glob("*.pxi")]
        if name == "corten._core.native":
            depends += [str(p) for p in KERNELS + PLAIN]
        found.append(Extension(name, [str(path)], include_dirs=["native"], depends=depends))
    return found


DIRECTIVES = {"language_level": 3, "boundscheck": False, "wraparound": True, "cdivision": True,
              "initializedcheck": False, "embedsignature": False, "freethreading_compatible": False}  # fmt: skip

setup(
    ext_modules=cythonize(extensions(), compiler_directives=DIRECTIVES, include_path=["src"], build_dir="build/cython"),
    cmdclass={"build_ext": Build, "build_py": Modules},
)
