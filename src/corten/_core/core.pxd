# Tensors, for other extension modules.
cimport cython
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint64_t

from corten._core.native cimport ct_array, ct_call, ct_kernel


cdef class dtype:
    cdef readonly str name
    cdef readonly int code
    cdef readonly int itemsize
    cdef readonly bint is_floating_point
    cdef readonly bint is_complex
    cdef readonly bint is_signed


cdef class Storage:
    cdef void *ptr
    cdef size_t nbytes
    cdef int64_t version
    cdef object owner          # who owns the memory: None for our pool
    cdef bint meta             # shape only: there is no memory


cdef class TensorBase:
    cdef ct_array a
    cdef Storage storage
    cdef Node node             # the node that computed this tensor, or None
    cdef object grad_          # accumulated gradient
    cdef object pending        # gradient that a running backward has gathered for this leaf
    cdef object base           # the tensor that this one is a view of, when that matters for in-place work
    cdef object hooks          # dict of hooks of a leaf
    cdef dict __dict__
    cdef object __weakref__
    cdef int64_t base_version  # version of the storage when this view's node was made
    cdef uint64_t pass_id      # which backward owns `pending`
    cdef int out_index         # which output of `node`
    cdef bint req              # requires a gradient, as a leaf or through its node
    cdef bint contig           # C-contiguous
    cdef bint inference        # made in inference mode
    cdef bint retains          # non-leaf that keeps its gradient


cdef struct out_shape:
    int dtype
    int ndim
    int64_t shape[8]


cdef class Node:
    cdef uint64_t seq
    cdef Op op
    cdef object custom         # callable(*grads) of an autograd.Function, or None
    cdef tuple edges           # for each input: the Node or the leaf that gets its gradient, or None
    cdef tuple saved           # saved tensors and scalars, in the order of op.save_plan; None once freed
    cdef tuple attrs           # attribute values
    cdef tuple shapes          # shapes of inputs, where the gradient must be summed down to them
    cdef out_shape *out_meta   # of each output when there are several
    cdef object g              # gathered gradient (a list when there are several outputs)
    cdef object hooks          # list of (out_index, callable)
    cdef object where          # the forward line, in anomaly mode
    cdef uint64_t pass_id
    cdef int n_in
    cdef int n_out
    cdef int16_t *idx          # for each input: which output of the edge
    cdef int16_t idx_[4]
    cdef int8_t *in_dtype      # dtype code of each input
    cdef int8_t in_dtype_[8]
    cdef int64_t versions[8]   # storage versions of `saved`
    cdef bint freed


cdef enum:
    MEMO_SLOTS = 16          # a power of two
    MEMO_WAYS = 4             # slots in a row that an outcome may stand in
    MEMO_KEY = 80


cdef struct shape_memo:       # one outcome of a shape function: inputs and attributes, and the shapes it gave
    int n_key
    uint64_t mix              # of the key
    int64_t key[MEMO_KEY]     # ndim and sizes of each input, ints of the attributes
    int ndim[6]
    int64_t shape[6][8]


cdef class Op:
    cdef void *vectorcall
    cdef readonly str name
    cdef readonly tuple inputs
    cdef readonly tuple outputs
    cdef readonly tuple attrs
    cdef readonly str signature
    cdef readonly object reference
    cdef readonly object samples
    cdef readonly dict declaration
    cdef tuple keys            # all parameter names, inputs first
    cdef tuple defaults
    cdef object impl
    cdef object shape_fn
    cdef object meta_fn
    cdef VJP vjp_all
    cdef VJP vjp_fused
    cdef tuple vjps            # one VJP or None for each input
    cdef tuple vjps_fused      # the same, when no second derivative is wanted
    cdef tuple vjp_ops         # gradients that are ops themselves, called without Python in between
    cdef tuple save_plan       # what to save: codes, see VJP
    cdef int n_in
    cdef int n_attr
    cdef int n_out
    cdef int n_pos             # how many parameters may be given by position
    cdef int rule              # shape rule
    cdef int dtype_rule[6]
    cdef char in_kind[12]
    cdef char attr_kind[32]
    cdef int n_saves
    cdef int vjp_saves[12]     # for each input: bit mask over save_plan
    cdef bint packs            # the kernel wants contiguous inputs
    cdef bint variadic         # the first input is a sequence of tensors
    cdef bint varints          # the first attribute takes the rest of the positional arguments
    cdef bint inplace
    cdef bint is_simple        # elementwise with one output and no attributes
    cdef bint asks_dtype       # has a dtype attribute
    cdef bint is_view
    cdef bint differentiable
    cdef bint sums_down        # gradients are summed down to broadcast inputs
    cdef const ct_kernel *kernel[12]
    cdef bint looked_up[12]
    cdef str kernel_name
    cdef shape_memo *memo      # outcomes of shape_fn
    cdef int memo_next         # which of the ways the next new outcome takes
    cdef dict __dict__
    cdef parse_parameters(self, str text)
    cdef VJP make_vjp(self, fn, list plan)
    cdef VJP find_sources(self, VJP v, tuple names, list plan)
    cdef VJP make_vjp_op(self, Op grad, list plan)
    cdef set_vjp(self, vjp, vjp_fused)
    cdef const ct_kernel *find(self, int dt)


cdef class VJP:
    cdef object fn
    cdef Op op                 # instead of fn: an op whose parameters are named alike
    cdef int n
    cdef int code[44]
    cdef int target[6]         # for each output of op: the input that it is the gradient of


cdef TensorBase empty_c(int dt, int ndim, const int64_t *shape)
cdef TensorBase alias_c(TensorBase x)
cdef TensorBase contiguous_c(TensorBase x)
cdef TensorBase cast_c(TensorBase x, int dt)
