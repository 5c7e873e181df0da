"""Functions of functions: derivatives as values, whole batches at once, and calls of modules with parameters as arguments.

Derivatives run on the tape: ``jvp`` is two backwards. ``vmap`` calls the function once with batched tensors
(:mod:`corten.func.batching`); Jacobians are derivatives under ``vmap``.
"""

from corten.func import functional
from corten.func.mapping import vmap
from corten.func.transforms import (
    functional_call,
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linearize,
    replace_all_batch_norm_modules_,
    stack_module_state,
    value_and_grad,
    vjp,
)

__all__ = ["functional", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacobian", "jacrev", "jvp",
           "linearize", "replace_all_batch_norm_modules_", "stack_module_state", "value_and_grad", "vjp", "vmap"]  # fmt: skip
