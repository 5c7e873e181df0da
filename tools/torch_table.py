"""Writes docs/pytorch.md: PyTorch's public names and their parameters against Corten's: same, differs (and how), absent.

``--check`` only compares.

The names are taken from PyTorch itself. What has no meaning on a CPU without sparse, quantised, complex and named tensors
is left out by the lists below, and counted.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from torch_signatures import differences  # noqa: E402

#: public scripts that were run unmodified by hand, until they ended or for some seconds of training
SCRIPTS = """**Public scripts** that were run unmodified by hand (`python -m corten.compat.torch`), to their end or for some seconds of
training: of PyTorch's own examples mnist, mnist_rnn, mnist_hogwild, mnist_forward_forward, regression, vae, siamese_network,
time_sequence_prediction, word_language_model, dcgan, imagenet with its dummy data; nanoGPT (training and sampling), minGPT
(adder, chargpt), makemore (all six models); the basic, intermediate, GAN, VAE and language parts of yunjey/pytorch-tutorial;
the tutorials of MorvanZhou, hunkim, jcjohnson and graykode; thirteen of eriklindernoren's GANs; the networks of
kuangliu/pytorch-cifar; sixteen of lucidrains' vision transformers; the GPT chapters of rasbt/LLMs-from-scratch. Where a
download or a tokenizer was not to be had, another text or a tokenizer of bytes stood in. Some of these collections' scripts
fail: they use what PyTorch has taken away (`loss.data[0]`, `iterator.next()`, a class without a batch, weights changed
between two passes backward), or want a package or a download."""

PAGE = Path(__file__).parents[1] / "docs" / "pytorch.md"

#: section, PyTorch's module (or class), Corten's, a pattern for the names (None: all public ones)
SECTIONS: list[tuple[str, str, str]] = [
    ("torch", "torch", "corten"), ("torch.Tensor", "torch.Tensor", "corten.Tensor"), ("torch.nn", "torch.nn", "corten.nn"),
    ("torch.nn.functional", "torch.nn.functional", "corten.nn.functional"), ("torch.nn.init", "torch.nn.init", "corten.nn.init"),
    ("torch.nn.utils", "torch.nn.utils", "corten.nn.utils"), ("torch.nn.utils.rnn", "torch.nn.utils.rnn", "corten.nn.utils.rnn"),
    ("torch.nn.utils.prune", "torch.nn.utils.prune", "corten.nn.utils.prune"),
    ("torch.nn.utils.parametrize", "torch.nn.utils.parametrize", "corten.nn.utils.parametrize"),
    ("torch.nn.utils.parametrizations", "torch.nn.utils.parametrizations", "corten.nn.utils.parametrizations"),
    ("torch.optim", "torch.optim", "corten.optim"), ("torch.optim.lr_scheduler", "torch.optim.lr_scheduler", "corten.optim.lr_scheduler"),
    ("torch.optim.swa_utils", "torch.optim.swa_utils", "corten.optim.swa_utils"), ("torch.linalg", "torch.linalg", "corten.linalg"),
    ("torch.fft", "torch.fft", "corten.fft"), ("torch.special", "torch.special", "corten.special"),
    ("torch.distributions", "torch.distributions", "corten.distributions"), ("torch.func", "torch.func", "corten.func"),
    ("torch.autograd", "torch.autograd", "corten.autograd"),
    ("torch.autograd.functional", "torch.autograd.functional", "corten.func.functional"),
    ("torch.utils.data", "torch.utils.data", "corten.data"), ("torch.utils.checkpoint", "torch.utils.checkpoint", "corten.recompute"),
    ("torch.amp", "torch.amp", "corten.amp"),
]  # fmt: skip

#: why names are left out: a reason and a pattern of whole names
EXCLUDED: list[tuple[str, str]] = [
    ("sparse tensors", r".*sparse.*|.*_?(coo|csr|csc|bsr|bsc)(_.*)?|coalesce|is_coalesced|c?c(ol|row)_indices|crow_indices|col_indices|"
     r"row_indices|indices|values|dense_dim|to_dense|smm|sspaddmm|hspmm|.*_with_sparsity"),
    ("quantised tensors", r".*quant.*|q_.*|qscheme|qint.*|quint.*|"
     r"int_repr|fake_.*|choose_qparams.*|fused_moving_avg.*|.*_qparams|dequantize|"
     r"per_(tensor|channel).*|fbgemm.*|mkldnn_.*|Q.*Tensor|bits\d.*|int[1-7]$|uint[1-7]$|quantizable|qat|intrinsic|float[48]_.*|scaled_mm|"
     r"scaled_grouped_mm|grouped_mm|ScalingType|SwizzleType"),
    ("complex tensors", r"complex.*|c(float|double|half)|chalf|ComplexF.*|view_as_(real|complex).*|polar|conj.*|.*_conj(_.*)?|is_conj|"
     r"resolve_.*|real|imag|angle|is_complex|is_neg|isreal|H|mH|adjoint|sgn_?"),
    ("named tensors", r"names?|align_.*|rename_?|refine_names|has_names|unflatten_names|is_distributed|name"),
    ("other devices", r".*cuda.*|.*cudnn.*|.*miopen.*|.*mps.*|.*xpu.*|.*xla.*|.*hpu.*|.*ipu.*|.*vulkan.*|.*mtia.*|.*maia.*|.*mkldnn.*|"
     r".*mkl.*|.*privateuse.*|.*nnpack.*|.*openmp.*|.*metal.*|is_meta|pin_memory|is_pinned|record_stream|Stream|Event|accelerator|"
     r"get_autocast_gpu_dtype|set_autocast_.*|is_autocast_.*|get_autocast_.*|autocast_.*|clear_autocast_cache|AcceleratorError|OutOfMemoryError|"
     r"DataParallel|data_parallel|register_multi_grad_hook|fork|wait|Future.*|.*_interop_threads|from_file|device_count|cpu_offload|"
     r"save_on_cpu|can_.*|mem_.*"),
    ("the compiler, tracing and other machinery", r".*[Ss]cript.*|jit|.*Type$|.*Jit.*|Graph.*|.*trace.*|.*_tracing.*|.*compile.*|compiler|"
     r"export|onnx|package|overrides|library|classes|ops|fx|vmap_.*|.*dynamo.*|.*inductor.*|.*_torch_function.*|handle_torch_function|Node|"
     r".*Logger.*|.*Observer.*|.*dispatch.*|.*Dispatch.*|Sym.*|sym_.*|.*_sym_.*|functorch|profiler.*|kineto.*|.*[Pp]rofil.*|ITT|emit_.*|"
     r"__.*|DeepCopyMemoTable|.*Storage|storage.*|typed_storage|untyped_storage|set_$|.*_storage|.*Guard.*|.*lazy.*|merge_type.*|parse_.*|"
     r"import_.*|Code|Block|Argument.*|.*Benchmark.*|Use|Value|Function(Schema)?|Class.*|Call.*|Compil.*|Execution.*|Concrete.*|Error.*|"
     r"File.*|Interface.*|Inference.*|LockingLogger|Aggregation.*|Alias.*|Any$|Anyhow|AwaitType|Capsule|Await|BenchmarkConfig|"
     r"Static.*|Gradient|IODescriptor|Int.*|Lite.*|List.*|Logging.*|Module.*|No[nN].*|Num.*|Operator.*|Optional.*|PyObj.*|PyTorch.*|RRef.*|"
     r"Tuple.*|Union.*|Unification.*|Wait.*|String.*|Str.*|Tag|Dict.*|Enum.*|Device.*|Dispatch.*|Bool.*|Float.*|Tensor$|Parameter.*|"
     r"Size|Generator|.*Tensor$|cpp|default_generator|layout|memory_format|dtype|device|iinfo|finfo|.*_mode$|torch|types|typename|"
     r"cond|while_loop|export.*|thread_safe.*|unify_.*|autocast|autocast_mode|grad_scaler|lobpcg|hash_tensor|grad_dtype|module_load|"
     r"Backend.*|EnumType|SerializationStorageContext|DeserializationStorageContext|backends|multiprocessing|distributed|monitor|futures|"
     r"nested.*|.*_nested.*|to_padded_tensor|masked$|contrib|signal|return_types|random|serialization|utils|testing|hub|version|quasirandom|"
     r"storage|mtia|cpu|xpu|mps|cuda|nativert|numa|sparse|ao|legacy.*|get_file_path|prepare_.*|binary_cross_.*_with$|os|sys|math|builtins|"
     r"threading|inspect|platform|textwrap|ctypes|glob|warnings|functools|importlib|np|dataclasses|contextlib|traceback|weakref"),
    ("names without a documented use", r"_.*|.*_backward|.*_jvp|.*_vjp|.*_forward_only|native_.*|unsafe_.*|"
     r".*_copy$|slice_inverse|slice_scatter_|"
     r"nuclear_norm|frobenius_norm|norm_except_dim|embedding_renorm_|dsmm|saddmm|hsmm|spmm|(gru|lstm|rnn_tanh|rnn_relu)(_cell)?$|"
     r"batch_norm_.*|instance_norm_.*|group_norm$|segment_reduce|rowwise_prune|constant_pad_nd|convolution|conv_tbc|cudnn_.*|"
     r"affine_grid_generator|grid_sampler.*|ctc_loss|.*_loss$|alias|range|pdist|feature_(alpha_)?dropout_?|(alpha_)?dropout_?|"
     r"select_copy|resize_as_.*|is_same_size|is_set_to|is_vulkan|q_zero_point|reinforce|volatile|solve|symeig|eig|lstsq|new$|"
     r"share_memory_|is_shared|apply_|map2?_|to_mkldnn|const_data_ptr|dim_order|boolean_dispatch|assert_int_or_pair|"
     r"BroadcastingList\d|DType|GRID_SAMPLE.*|.*_notes|Callable|Optional|TYPE_CHECKING|.*Iterable|Iterator|ABC|abstractmethod|numbers|"
     r"Container|common_types|factory_kwargs|modules|parallel|LinearCrossEntropy.*|convert_conv.*|debug_unwrap|"
     r"rearrange|Shards|functional_datapipe|.*datapipe.*|.*DataPipe|DFIterDataPipe|DataChunk|argument_validation|guaranteed_.*|"
     r"non_deterministic|runtime_validation.*|collate_.*|.*_hook$|allow_mutation.*|GradientEdge|gradient_edge|"
     r"CheckpointPolicy|CheckpointError|CheckpointFunction|DefaultDeviceType|SelectiveCheckpointContext|check_backward_validity|"
     r"create_selective.*|detach_variable|get_device_states|infer_device_type|noop_context_fn|set_device_states|set_checkpoint.*|"
     r"set_checkpoint_debug_enabled|graph$|anomaly_mode|forward_ad|function$|functional$|grad_mode$|gradcheck$|graph|kernel_.*|"
     r"inference_mode$|is_view_replay_enabled|multithreading_enabled|variable|is_multithreading_enabled"),
]  # fmt: skip

#: names that differ, and how
DIFFERS = {
    "nn.CrossMapLRN2d": "the first channel leaves the window when it should",
    "nn.DataParallel": "the module itself: there is one device",
    "nn.SyncBatchNorm": "BatchNorm of one process",
    "nn.Embedding": "gradients are dense",
    "optim.SparseAdam": "raises: gradients are dense",
    "func.vmap": "random numbers, and asking for single numbers, run a loop",
    "func.functionalize": "the function itself",
    "amp.autocast": "computes in float32",
    "compile": "the function itself",
    "save": "safetensors and JSON: tensors, numbers, containers, networks by the names of their classes; others raise",
    "load": "reads that format, never a pickle",
}


def target(path: str) -> Any:
    """A module, or a class in one; None when it is absent."""
    try:
        return importlib.import_module(path)
    except ImportError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name, None)


def reason(name: str) -> str | None:
    """Why a name is left out."""
    return next((why for why, pattern in EXCLUDED if re.fullmatch(pattern, name)), None)


def kept(section: str, name: str, value: Any) -> bool:
    """Whether a name is a function, a class or a method that somebody documented."""
    if section == "torch.nn" and inspect.isclass(value):
        return True
    if section.startswith("torch.nn.functional") and name.endswith("_loss"):
        return True
    return callable(value) or isinstance(value, property) or inspect.isdatadescriptor(value)


def sections() -> tuple[list[tuple[str, list[tuple[str, str]]]], dict[str, int]]:
    """For each section the names with their state, and how many were left out for which reason."""
    found, out = [], dict.fromkeys([why for why, _ in EXCLUDED], 0)
    for title, theirs, ours in SECTIONS:
        peer, own = target(theirs), target(ours)
        rows = []
        for name in sorted(set(getattr(peer, "__all__", None) or dir(peer)) if title != "torch" else set(dir(peer))):
            if name.startswith("_"):
                continue
            value = inspect.getattr_static(peer, name, None)
            if not kept(title, name, value) and not callable(getattr(peer, name, None)):
                continue
            meant = title in ("torch.nn", "torch.nn.functional", "torch.distributions", "torch.optim", "torch.linalg", "torch.special",
                              "torch.fft")  # fmt: skip
            why = reason(name)
            if why is not None and not (meant and (inspect.isclass(value) or name.endswith("_loss"))
                                        and why not in ("other devices", "quantised tensors") and name not in NOISE):  # fmt: skip
                out[why] += 1
                continue
            if title in ("torch.nn", "torch.nn.functional") and name in NOISE:
                continue
            key = f"{title}.{name}".removeprefix("torch.")
            rows.append((name, state(key, own, getattr(peer, name, None), name)))
        found.append((title, rows))
    return found, out


def state(key: str, own: Any, peer: Any, name: str) -> str:
    """How one name compares: 'same', 'same name' where one side does not say its parameters, 'absent', or what differs."""
    if own is None or not _has(own, name):
        return "absent"
    said = [DIFFERS[key]] if key in DIFFERS else []
    found: str | None = ""
    if callable(peer):
        found = differences(peer, getattr(own, name), name, key.startswith("Tensor."))
        said += [found] if found else []
    return "; ".join(said) or ("same name" if found is None else "same")


NOISE = {"Container", "Any", "Optional", "Callable", "Tensor", "DType", "BroadcastingList1", "BroadcastingList2", "BroadcastingList3",
         "ScalingType", "SwizzleType", "Parameter", "LinearCrossEntropyLoss", "LinearCrossEntropyOptions"}  # fmt: skip


def _has(own: Any, name: str) -> bool:
    try:
        return getattr(own, name, None) is not None
    except (NotImplementedError, RuntimeError):
        return True


def page() -> str:
    """The whole page."""
    found, out = sections()
    total = sum(len(rows) for _, rows in found)
    here = sum(state != "absent" for _, rows in found for _, state in rows)
    compared = [s for _, rows in found for _, s in rows if s not in ("absent", "same name")]
    alike = sum(s == "same" for s in compared)
    lines = ["# PyTorch's names", "", "Made by `python tools/torch_table.py` from PyTorch's own modules.", "",
             f"**{here} of {total} names that have a meaning here are present: {100 * here / total:.1f} %.** Left out: "
             + ", ".join(f"{n} of {why}" for why, n in out.items()) + "; the lists are in the tool.", "",
             f"**{alike} of the {len(compared)} present ones whose parameters can be read take PyTorch's parameters with its defaults: "
             f"{100 * alike / len(compared):.1f} %.** Of the others present, PyTorch's or Corten's do not say what they take, or they are "
             "attributes. Left aside are `layout`, `pin_memory`, `memory_format`, `non_blocking`, `names` and `out_dtype`.", "",
             SCRIPTS.replace("\n", " "), "",
             "| section | names | present | same parameters | differ | absent |", "| --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for title, rows in found:
        absent = sum(s == "absent" for _, s in rows)
        same = sum(s == "same" for _, s in rows)
        differ = sum(s not in ("absent", "same", "same name") for _, s in rows)
        lines.append(f"| `{title}` | {len(rows)} | {len(rows) - absent} | {same} | {differ} | {absent} |")
    lines += ["", "## Absent", ""]
    for title, rows in found:
        names = [f"`{n}`" for n, s in rows if s == "absent"]
        if names:
            lines.append(f"- `{title}`: {', '.join(names)}")
    lines += ["", "## Different", "", "| name | how |", "| --- | --- |"]
    for title, rows in found:
        lines += [f"| `{title}.{n}` | {s} |" for n, s in rows if s not in ("same", "same name", "absent")]
    for heading, wanted in (("Same, with the same parameters", "same"), ("Same name, parameters not compared", "same name")):
        lines += ["", f"## {heading}", ""]
        for title, rows in found:
            names = [f"`{n}`" for n, s in rows if s == wanted]
            if names:
                lines.append(f"- `{title}`: {', '.join(names)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == page() else "docs/pytorch.md is old: run python tools/torch_table.py")
    PAGE.write_text(page())
    print(PAGE.read_text().split("\n")[4])
