"""The compiled core: native kernels, tensors, the tape and the op registry."""
