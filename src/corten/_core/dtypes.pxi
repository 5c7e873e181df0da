# The number types and how they combine.

cdef enum:
    F32 = 0
    F64 = 1
    F16 = 2
    BF16 = 3
    I8 = 4
    I16 = 5
    I32 = 6
    I64 = 7
    U8 = 8
    BOOL = 9
    C64 = 10
    C128 = 11
    N_DTYPES = 12

cdef int ITEM[12]
ITEM[:] = [4, 8, 2, 2, 1, 2, 4, 8, 1, 1, 8, 16]

# 0 bool, 1 integer, 2 floating, 3 complex
cdef int CATEGORY[12]
CATEGORY[:] = [2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 3, 3]


@cython.final
cdef class dtype:
    """A number type, such as ``corten.float32``."""

    def __repr__(self):
        return "corten." + self.name

    def __reduce__(self):
        return (_dtype_by_name, (self.name,))

    def to_complex(self):
        """The complex type of the same precision."""
        return DTYPES[C128 if self.code == F64 else C64]

    def to_real(self):
        """The real type of the same precision."""
        return DTYPES[F64 if self.code == C128 else F32 if self.code == C64 else self.code]


def _dtype_by_name(name):
    for d in DTYPES:
        if d.name == name:
            return d
    raise ValueError(f"[dtype] {name!r} is not a dtype; there are {', '.join(d.name for d in DTYPES)}")


cdef list _make_dtypes():
    names = ["float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool",
             "complex64", "complex128"]
    made = []
    cdef dtype d
    for code, name in enumerate(names):
        d = dtype.__new__(dtype)
        d.name = name
        d.code = code
        d.itemsize = ITEM[code]
        d.is_floating_point = CATEGORY[code] == 2
        d.is_complex = CATEGORY[code] == 3
        d.is_signed = code != U8 and code != BOOL
        made.append(d)
    return made


cdef list DTYPES = _make_dtypes()
dtypes = tuple(DTYPES)
cdef int default_float = F32


def set_default_dtype(d):
    """Make ``d`` (float32 or float64) the type of new floating tensors."""
    global default_float
    cdef int code = dtype_code(d)
    if CATEGORY[code] != 2:
        raise TypeError(f"[set_default_dtype] got {d}, expected a floating-point dtype")
    default_float = code


def get_default_dtype():
    """The type of new floating tensors."""
    return DTYPES[default_float]


cdef int dtype_code(object d) except -1:
    if type(d) is dtype:
        return (<dtype>d).code
    if d is float:
        return F64
    if d is int:
        return I64
    if d is bool:
        return BOOL
    if d is complex:
        return C128
    raise TypeError(f"[dtype] got {d!r}, expected a corten dtype such as corten.float32")


cdef int promote2(int a, int b) noexcept nogil:
    """The smallest type that holds both, by PyTorch's table."""
    if a == b:
        return a
    cdef int ca = CATEGORY[a], cb = CATEGORY[b]
    if ca < cb:
        a, b = b, a
        ca, cb = cb, ca
    if ca == 3:
        if a == C128 or b == F64 or b == C128:
            return C128
        return C64
    if ca == 2:
        if cb != 2:
            return a
        if a == F64 or b == F64:
            return F64
        return F32  # float32 with either half, or the two halves with each other
    if cb == 0:
        return a
    if a == U8 or b == U8:
        if a == U8:
            a = b
        return I16 if a == I8 else a
    return a if ITEM[a] > ITEM[b] else b


cdef int combine_priority(int higher, int lower) noexcept nogil:
    """Types of operands with dimensions win over those of 0-d tensors, and these over Python numbers, unless the
    lower one is of a higher category (bool < integer < floating < complex). -1 stands for none."""
    if higher < 0:
        return lower
    if lower < 0:
        return higher
    if CATEGORY[lower] > CATEGORY[higher]:
        if CATEGORY[lower] == 3 and CATEGORY[higher] == 2:
            return C128 if higher == F64 else C64
        return promote2(higher, lower)
    return higher


def promote_types(type1, type2):
    """The smallest dtype that both convert to."""
    return DTYPES[promote2(dtype_code(type1), dtype_code(type2))]


def can_cast(from_, to):
    """Whether a conversion keeps the category: complex to real, floating to integer and number to bool do not."""
    cdef int a = dtype_code(from_), b = dtype_code(to)
    if CATEGORY[a] == 3 and CATEGORY[b] != 3:
        return False
    if CATEGORY[a] == 2 and CATEGORY[b] < 2:
        return False
    return not (CATEGORY[a] == 1 and b == BOOL)


class finfo:
    """Limits of a floating dtype: ``bits``, ``eps``, ``max``, ``min``, ``tiny``, ``smallest_normal``, ``resolution``."""

    def __init__(self, type=None):
        cdef int code = default_float if type is None else dtype_code(type)
        table = {F32: (32, 2.0**-23, 3.4028234663852886e38, 2.0**-126, 1e-6),
                 F64: (64, 2.0**-52, 1.7976931348623157e308, 2.0**-1022, 1e-15),
                 F16: (16, 2.0**-10, 65504.0, 2.0**-14, 1e-3),
                 BF16: (16, 2.0**-7, 3.3895313892515355e38, 2.0**-126, 1e-2)}
        code = {C64: F32, C128: F64}.get(code, code)
        if code not in table:
            raise TypeError(f"[finfo] {DTYPES[code].name} is not a floating-point dtype; use iinfo")
        self.bits, self.eps, self.max, self.tiny, self.resolution = table[code]
        self.min, self.smallest_normal, self.dtype = -self.max, self.tiny, DTYPES[code].name

    def __repr__(self):
        return f"finfo(resolution={self.resolution}, min={self.min}, max={self.max}, eps={self.eps}, " \
               f"smallest_normal={self.smallest_normal}, tiny={self.tiny}, dtype={self.dtype})"


class iinfo:
    """Limits of an integer dtype: ``bits``, ``min``, ``max``."""

    def __init__(self, type):
        cdef int code = dtype_code(type)
        if CATEGORY[code] != 1:
            raise TypeError(f"[iinfo] {DTYPES[code].name} is not an integer dtype; use finfo")
        self.bits = 8 * ITEM[code]
        self.min = 0 if code == U8 else -2**(self.bits - 1)
        self.max = 255 if code == U8 else 2**(self.bits - 1) - 1
        self.dtype = DTYPES[code].name

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


@cython.final
cdef class device:
    """Where a tensor lives. ``device('cpu')``, or ``device('meta')`` for shapes without data."""

    cdef readonly str type
    cdef readonly object index

    def __init__(self, type, index=None):
        if isinstance(type, device):
            type, index = (<device>type).type, (<device>type).index
        if not isinstance(type, str):
            raise TypeError(f"[device] got {type!r}, expected a name such as 'cpu'")
        if ":" in type:
            type, _, tail = type.partition(":")
            if not tail.isdigit():
                raise RuntimeError(f"[device] got {type + ':' + tail!r}, expected a name such as 'cpu' or 'cpu:0'")
            index = int(tail)
        if type not in ("cpu", "meta"):
            known = ("cuda", "opencl", "mps", "xpu", "xla", "hip")
            why = "this build has no such backend" if type in known else "it is not a device type"
            raise RuntimeError(f"[device] {type!r}: {why}; there are 'cpu' and 'meta'")
        self.type = type
        self.index = index

    def __repr__(self):
        return f"device(type='{self.type}')" if self.index is None else f"device(type='{self.type}', index={self.index})"

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other):
        if isinstance(other, str):
            other = device(other)
        return isinstance(other, device) and self.type == (<device>other).type and \
            (self.index or 0) == ((<device>other).index or 0)

    def __hash__(self):
        return hash((self.type, self.index or 0))

    def __reduce__(self):
        return (device, (self.type, self.index))

    def __enter__(self):
        _device_stack.append(self)
        return self

    def __exit__(self, *exc):
        _device_stack.pop()


CPU = device("cpu")
META = device("meta")
cdef list _device_stack = []


cdef bint wants_meta(object where) except -1:
    """Whether a `device=` argument means the meta device; raises for a device that does not exist."""
    if where is None:
        return len(_device_stack) > 0 and (<device>_device_stack[-1]).type == "meta"
    if where is CPU:
        return False
    return device(where).type == "meta"
