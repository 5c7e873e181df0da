"""Functions of functions: derivatives as values, and calls of modules with parameters as arguments.

Everything here runs on the tape: Jacobians take one backward for each output, ``jvp`` two, and ``vmap`` calls the function
once for each element.
"""

from corten.func import functional
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
    vmap,
)

__all__ = ["functional", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacobian", "jacrev", "jvp",
           "linearize", "replace_all_batch_norm_modules_", "stack_module_state", "value_and_grad", "vjp", "vmap"]  # fmt: skip
