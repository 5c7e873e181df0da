# TensorBase: a view of a storage, and its place on the tape.

@cython.trashcan(True)
cdef class TensorBase:
    """The compiled part of ``corten.Tensor``."""

    # ---- layout
    @property
    def shape(self):
        """Sizes of the dimensions."""
        return Size(shape_tuple(self.a.shape, self.a.ndim))

    @property
    def ndim(self):
        """Number of dimensions."""
        return self.a.ndim

    @property
    def dtype(self):
        """Number type of the elements."""
        return <object>PyList_GET_ITEM_(DTYPES, self.a.dtype)

    @property
    def device(self):
        """Where the data is."""
        return META if self.storage.meta else CPU

    @property
    def is_meta(self):
        """True for a tensor that has a shape and no data."""
        return self.storage.meta

    @property
    def itemsize(self):
        """Bytes of one element."""
        return ITEM[self.a.dtype]

    @property
    def nbytes(self):
        """Bytes of all elements."""
        return self.a.size * ITEM[self.a.dtype]

    @property
    def _version(self):
        return self.storage.version

    def size(self, dim=None):
        """Shape, or the size of one dimension."""
        if dim is None:
            return self.shape
        return self.a.shape[wrap_dim(dim, self.a.ndim, "size")]

    def dim(self):
        """Number of dimensions."""
        return self.a.ndim

    def numel(self):
        """Number of elements."""
        return self.a.size

    def element_size(self):
        """Bytes of one element."""
        return ITEM[self.a.dtype]

    def stride(self, dim=None):
        """Steps in elements from one index to the next, of all dimensions or of one."""
        if dim is None:
            return shape_tuple(self.a.stride, self.a.ndim)
        return self.a.stride[wrap_dim(dim, self.a.ndim, "stride")]

    def storage_offset(self):
        """Elements from the start of the storage to the first one."""
        if self.storage.meta:
            return <int64_t><uintptr_t>self.a.data // ITEM[self.a.dtype]
        return (<char *>self.a.data - <char *>self.storage.ptr) // ITEM[self.a.dtype]

    def untyped_storage(self):
        """The storage that this tensor views."""
        return self.storage

    def data_ptr(self):
        """Address of the first element."""
        return 0 if self.a.size == 0 else <uintptr_t>self.a.data

    def is_contiguous(self, memory_format=None):
        """Whether the elements lie in row-major order without gaps."""
        return self.contig

    def is_floating_point(self):
        """Whether the dtype is floating."""
        return CATEGORY[self.a.dtype] == 2

    def is_complex(self):
        """Whether the dtype is complex."""
        return CATEGORY[self.a.dtype] == 3

    def is_signed(self):
        """Whether the dtype has negative values."""
        return self.a.dtype != U8 and self.a.dtype != BOOL

    def __len__(self):
        if self.a.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.a.shape[0]

    # ---- place on the tape
    @property
    def requires_grad(self):
        """Whether gradients flow to this tensor."""
        return self.req

    @requires_grad.setter
    def requires_grad(self, bint value):
        if not value and self.node is not None:
            raise RuntimeError("[requires_grad] only leaves can be switched off; use detach()")
        if value and CATEGORY[self.a.dtype] < 2:
            raise RuntimeError(
                f"[requires_grad] got dtype {DTYPES[self.a.dtype].name}; only floating-point tensors have gradients")
        if value and self.inference and not ct_inference:
            raise RuntimeError("[requires_grad] an inference tensor cannot require gradients; clone() it first")
        self.req = value

    def requires_grad_(self, bint requires_grad=True):
        """Switch gradients on or off in place; returns the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self):
        """True when no recorded operation made this tensor."""
        return self.node is None

    @property
    def grad_fn(self):
        """The node that recorded how this tensor was made, or None."""
        return fresh_node(self)

    @property
    def output_nr(self):
        """Which output of grad_fn this is."""
        return self.out_index

    @property
    def grad(self):
        """The accumulated gradient, or None."""
        return self.grad_

    @grad.setter
    def grad(self, value):
        cdef TensorBase g
        if value is not None:
            if not isinstance(value, TensorBase):
                raise TypeError(f"[grad] got {type(value).__name__}, expected a tensor or None")
            g = value
            if g is self:
                raise RuntimeError("[grad] a tensor cannot be its own gradient")
            if not same_shape(&g.a, &self.a):
                raise RuntimeError(f"[grad] got shape {tuple(g.shape)}, expected {tuple(self.shape)}")
        self.grad_ = value

    @grad.deleter
    def grad(self):
        self.grad_ = None

    @property
    def retains_grad(self):
        """Whether a non-leaf keeps its gradient."""
        return self.retains

    def is_inference(self):
        """Whether this tensor was made in inference mode."""
        return self.inference

    @property
    def _base(self):
        return self.base

    def detach(self):
        """The same memory, off the tape."""
        return alias_c(self)

    def detach_(self):
        """Take this tensor off the tape, in place."""
        if self.base is not None:
            raise RuntimeError("[detach_] a view cannot be detached in place; use detach()")
        self.node = None
        self.req = False
        return self

    @property
    def data(self):
        """The same memory, off the tape."""
        return alias_c(self)

    @data.setter
    def data(self, TensorBase other not None):
        if self.a.dtype != other.a.dtype and self.req and CATEGORY[other.a.dtype] < 2:
            raise RuntimeError(f"[data] got dtype {other.dtype}, expected a floating-point dtype")
        self.a = other.a
        self.storage = other.storage
        self.contig = other.contig

    def backward(self, gradient=None, retain_graph=None, bint create_graph=False, inputs=None):
        """Accumulate the gradient of this tensor with respect to the leaves it depends on into their ``grad``.

        Parameters
        ----------
        gradient : Tensor, optional
            Gradient of some scalar with respect to this tensor, of its shape. May be left out for a one-element tensor.
        retain_graph : bool, optional
            Keep saved values for another backward. Defaults to ``create_graph``.
        create_graph : bool
            Record the backward, for second derivatives.
        inputs : Tensor or sequence of Tensor, optional
            Accumulate into these alone.

        Raises
        ------
        RuntimeError
            When nothing was recorded, the shape of ``gradient`` is wrong, or saved values were freed or overwritten.
        """
        if gradient is None and retain_graph is None and not create_graph and inputs is None and self.req \
                and self.a.size == 1:
            backward_scalar(self)
            return
        from corten import autograd
        autograd.backward(self, gradient, retain_graph, create_graph, inputs)

    def register_hook(self, hook):
        """Call ``hook(grad)`` when the gradient of this tensor is ready; what it returns, if not None, replaces it.

        Returns a handle with ``remove()``.
        """
        if not self.req:
            raise RuntimeError("[register_hook] this tensor does not require a gradient")
        return HookHandle(self, hook, False)

    def register_post_accumulate_grad_hook(self, hook):
        """Call ``hook(tensor)`` after the gradient of this leaf was accumulated. Returns a handle with ``remove()``."""
        if self.node is not None or not self.req:
            raise RuntimeError("[register_post_accumulate_grad_hook] expected a leaf that requires a gradient")
        return HookHandle(self, hook, True)

    def retain_grad(self):
        """Keep the gradient of this non-leaf in ``grad``."""
        if not self.req:
            raise RuntimeError("[retain_grad] this tensor does not require a gradient")
        if self.node is None or self.retains:
            return
        self.retains = True
        ref = _weakref_ref(self)

        def keep(grad):
            t = ref()
            if t is not None:
                (<TensorBase>t).grad_ = grad.detach() if (<TensorBase>t).grad_ is None else (<TensorBase>t).grad_ + grad
        HookHandle(self, keep, False)

    # ---- values
    def item(self):
        """The value of a one-element tensor as a Python number."""
        if self.a.size != 1:
            raise RuntimeError(f"[item] a tensor with {self.a.size} elements cannot be converted to a number")
        need_data(self, "item")
        return read_scalar(self.a.data, self.a.dtype)

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __complex__(self):
        return complex(self.item())

    def __index__(self):
        if CATEGORY[self.a.dtype] > 1 or self.a.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __bool__(self):
        if self.a.size != 1:
            raise RuntimeError(f"[bool] the truth of a tensor with {self.a.size} elements is ambiguous")
        return bool(self.item())

    def __hash__(self):
        return <Py_ssize_t><PyObject *>self >> 4

    def tolist(self):
        """Nested lists of Python numbers."""
        need_data(self, "tolist")
        return nested_list(&self.a, 0, <char *>self.a.data)

    # ---- operators (operators.pxi)
    def __add__(self, other):
        return binary(op_add, self, other)

    def __radd__(self, other):
        return binary(op_add, other, self)

    def __sub__(self, other):
        return binary(op_sub, self, other)

    def __rsub__(self, other):
        return binary(op_sub, other, self)

    def __mul__(self, other):
        return binary(op_mul, self, other)

    def __rmul__(self, other):
        return binary(op_mul, other, self)

    def __truediv__(self, other):
        return binary(op_div, self, other)

    def __rtruediv__(self, other):
        return binary(op_div, other, self)

    def __floordiv__(self, other):
        return binary(op_floor_divide, self, other)

    def __rfloordiv__(self, other):
        return binary(op_floor_divide, other, self)

    def __mod__(self, other):
        return binary(op_remainder, self, other)

    def __rmod__(self, other):
        return binary(op_remainder, other, self)

    def __pow__(self, other, modulo):
        if modulo is not None:
            return NotImplemented
        return binary(op_pow, self, other)

    def __rpow__(self, other, modulo):
        return binary(op_pow, other, self)

    def __matmul__(self, other):
        return op_matmul(self, other) if isinstance(other, TensorBase) else NotImplemented

    def __rmatmul__(self, other):
        return NotImplemented

    def __and__(self, other):
        return binary(op_and, self, other)

    def __rand__(self, other):
        return binary(op_and, other, self)

    def __or__(self, other):
        return binary(op_or, self, other)

    def __ror__(self, other):
        return binary(op_or, other, self)

    def __xor__(self, other):
        return binary(op_xor, self, other)

    def __rxor__(self, other):
        return binary(op_xor, other, self)

    def __lshift__(self, other):
        return binary(op_lshift, self, other)

    def __rlshift__(self, other):
        return binary(op_lshift, other, self)

    def __rshift__(self, other):
        return binary(op_rshift, self, other)

    def __rrshift__(self, other):
        return binary(op_rshift, other, self)

    def __neg__(self):
        return unary(op_neg, self)

    def __pos__(self):
        return self

    def __abs__(self):
        return unary(op_abs, self)

    def __invert__(self):
        return unary(op_not, self)

    def __iadd__(self, other):
        return binary(op_add_inplace, self, other)

    def __isub__(self, other):
        return binary(op_sub_inplace, self, other)

    def __imul__(self, other):
        return binary(op_mul_inplace, self, other)

    def __itruediv__(self, other):
        return binary(op_div_inplace, self, other)

    def __ipow__(self, other):
        return binary(op_pow_inplace, self, other)

    def __ifloordiv__(self, other):
        return binary(op_floor_divide_inplace, self, other)

    def __imod__(self, other):
        return binary(op_remainder_inplace, self, other)

    def __iand__(self, other):
        return binary(op_and_inplace, self, other)

    def __ior__(self, other):
        return binary(op_or_inplace, self, other)

    def __ixor__(self, other):
        return binary(op_xor_inplace, self, other)

    def __richcmp__(self, other, int how):
        if how == Py_EQ:
            return binary(op_eq, self, other)
        if how == Py_NE:
            return binary(op_ne, self, other)
        if how == Py_LT:
            return binary(op_lt, self, other)
        if how == Py_LE:
            return binary(op_le, self, other)
        if how == Py_GT:
            return binary(op_gt, self, other)
        return binary(op_ge, self, other)

    def __getitem__(self, key):
        return get_item(self, key)

    def __setitem__(self, key, value):
        set_item(self, key, value)

    def __iter__(self):
        if self.a.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(REGISTRY["unbind"](self, 0))

    def __contains__(self, value):
        return bool((self == value).any())

    # ---- exchange (interop.pxi)
    def __getbuffer__(self, Py_buffer *view, int flags):
        get_buffer(self, view, flags)
        view.obj = self     # here, not in a function: this is where Cython counts the reference

    def __releasebuffer__(self, Py_buffer *view):
        free(view.shape)

    def __array__(self, dtype=None, copy=None):
        return to_array(self, dtype, copy)

    def numpy(self, *, bint force=False):
        """This tensor as a NumPy array over the same memory.

        Raises RuntimeError when gradients are recorded through it, unless ``force``.
        """
        if self.req and not force and (ct_grad_on or self.node is not None):
            raise RuntimeError("[numpy] this tensor requires a gradient; use detach().numpy()")
        return to_array(self.detach() if self.req else self, None, None)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return to_dlpack(self, copy)

    def __dlpack_device__(self):
        return (1, 0)
