"""One step of an optimizer over all its tensors: pointers gathered here, one fused native pass."""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from corten._core cimport native
from corten._core.core cimport TensorBase, contiguous_c

cdef extern from "include/optim.h":
    ctypedef struct optim_tensors:
        int64_t n
        const int64_t *size
        float **p
        const float **g
        float **state[4]
        const int64_t *step
    ctypedef struct optim_sgd:
        double lr
        double momentum
        double dampening
        double weight_decay
        int nesterov
        int maximize
    ctypedef struct optim_adam:
        double lr
        double beta1
        double beta2
        double eps
        double weight_decay
        int decoupled
        int amsgrad
        int maximize
    ctypedef struct optim_nadam:
        double lr
        double beta1
        double beta2
        double eps
        double weight_decay
        double momentum_decay
        int decoupled
        int maximize
    ctypedef struct optim_rmsprop:
        double lr
        double alpha
        double eps
        double weight_decay
        double momentum
        int centered
        int maximize
    ctypedef struct optim_adagrad:
        double lr
        double lr_decay
        double eps
        double weight_decay
        int maximize
    ctypedef struct optim_adadelta:
        double lr
        double rho
        double eps
        double weight_decay
        int maximize
    # both number types have the same table; the pointers below are only passed through
    ctypedef struct ct_optim_api:
        void (*sgd)(const optim_tensors *, const optim_sgd *) noexcept nogil
        void (*adam)(const optim_tensors *, const optim_adam *) noexcept nogil
        void (*adamax)(const optim_tensors *, const optim_adam *) noexcept nogil
        void (*nadam)(const optim_tensors *, const optim_nadam *, double *) noexcept nogil
        void (*radam)(const optim_tensors *, const optim_adam *) noexcept nogil
        void (*rmsprop)(const optim_tensors *, const optim_rmsprop *) noexcept nogil
        void (*adagrad)(const optim_tensors *, const optim_adagrad *) noexcept nogil
        void (*adadelta)(const optim_tensors *, const optim_adadelta *) noexcept nogil
        double (*sum_square)(int64_t, const int64_t *, const float **) noexcept nogil
        double (*max_abs)(int64_t, const int64_t *, const float **) noexcept nogil
        void (*scale)(int64_t, const int64_t *, float **, double) noexcept nogil
        void (*clamp)(int64_t, const int64_t *, float **, double, double) noexcept nogil
        void (*lerp)(int64_t, const int64_t *, float **, const float **, double) noexcept nogil

cdef enum:
    FEW = 16   # tensors whose pointers fit on the stack


@cython.final
@cython.freelist(4)
cdef class Batch:
    """Tensors of one dtype that take a step together."""
    cdef optim_tensors t
    cdef const ct_optim_api *api
    cdef void **memory
    cdef void *few[FEW * 8]
    cdef list held

    def __dealloc__(self):
        if self.memory != NULL and self.memory != &self.few[0]:
            free(self.memory)


cdef Batch gather(str who, list params, list grads, tuple states, list steps):
    """Pointers of parameters, gradients and states. Raises when they do not fit together."""
    cdef Batch b = Batch.__new__(Batch)
    cdef Py_ssize_t n = len(params), i, k
    cdef TensorBase p, g, s
    cdef int dt
    cdef int64_t *size
    cdef int64_t *step
    if n == 0:
        return b
    b.memory = &b.few[0] if n <= FEW else <void **>malloc(n * 8 * sizeof(void *))
    if b.memory == NULL:
        raise MemoryError()
    dt = (<TensorBase>params[0]).a.dtype
    b.api = <const ct_optim_api *>native.find_api("optim", dt)
    if b.api == NULL:
        raise TypeError(f"[{who}] got parameters of {(<TensorBase>params[0]).dtype}, expected float32 or float64")
    size = <int64_t *>b.memory
    b.t.n = n
    b.t.size = size
    b.t.p = <float **>(b.memory + n)
    b.t.g = <const float **>(b.memory + 2 * n)
    for k in range(4):
        b.t.state[k] = <float **>(b.memory + (3 + k) * n) if k < len(states) and states[k] is not None else NULL
    b.t.step = NULL
    if steps is not None:
        step = <int64_t *>(b.memory + 7 * n)
        for i in range(n):
            step[i] = steps[i]
        b.t.step = step
    for i in range(n):
        p = params[i]
        g = grads[i]
        if p.a.dtype != dt or g.a.dtype != dt or g.a.size != p.a.size:
            raise RuntimeError(f"[{who}] a parameter of {p.dtype} {tuple(p.shape)} has a gradient of {g.dtype} "
                               f"{tuple(g.shape)}")
        if not p.contig:
            raise RuntimeError(f"[{who}] a parameter of shape {tuple(p.shape)} is not contiguous")
        if not g.contig:
            g = contiguous_c(g)
            b.held = [g] if b.held is None else b.held + [g]
        size[i] = p.a.size
        b.memory[n + i] = p.a.data
        b.memory[2 * n + i] = g.a.data
        for k in range(4):
            if b.t.state[k] != NULL:
                s = states[k][i]
                if s.a.dtype != dt or s.a.size != p.a.size or not s.contig:
                    raise RuntimeError(f"[{who}] a state of {s.dtype} {tuple(s.shape)} does not fit a parameter of {p.dtype} "
                                       f"{tuple(p.shape)}")
                b.memory[(3 + k) * n + i] = s.a.data
    return b


cdef int bump(list params) except -1:
    cdef TensorBase p
    for p in params:
        p.storage.version += 1
    return 0


def sgd(list params, list grads, buffers, steps, double lr, double momentum, double dampening, double weight_decay,
        bint nesterov, bint maximize):
    """A step of SGD; ``buffers`` None or momentum buffers, ``steps`` 1 where a buffer is to be set, not read."""
    cdef Batch b = gather("SGD", params, grads, (buffers,), steps)
    cdef optim_sgd o = [lr, momentum, dampening, weight_decay, nesterov, maximize]
    if b.api != NULL:
        with nogil:
            b.api.sgd(&b.t, &o)
        bump(params)


def adam(str kind, list params, list grads, list mean, list square, largest, list steps, double lr, double beta1,
         double beta2, double eps, double weight_decay, bint decoupled, bint maximize):
    """A step of Adam, Adamax or RAdam."""
    cdef Batch b = gather(kind, params, grads, (mean, square, largest), steps)
    cdef optim_adam o = [lr, beta1, beta2, eps, weight_decay, decoupled, largest is not None, maximize]
    if b.api != NULL:
        with nogil:
            if kind_code(kind) == 0:
                b.api.adam(&b.t, &o)
            elif kind_code(kind) == 1:
                b.api.adamax(&b.t, &o)
            else:
                b.api.radam(&b.t, &o)
        bump(params)


cdef int kind_code(str kind) noexcept with gil:
    return 1 if kind == "Adamax" else 2 if kind == "RAdam" else 0


def nadam(list params, list grads, list mean, list square, list products, list steps, double lr, double beta1,
          double beta2, double eps, double weight_decay, double momentum_decay, bint decoupled, bint maximize):
    """A step of NAdam; ``products`` are running products of the momenta, updated in the list."""
    cdef Batch b = gather("NAdam", params, grads, (mean, square), steps)
    cdef optim_nadam o = [lr, beta1, beta2, eps, weight_decay, momentum_decay, decoupled, maximize]
    cdef double *mu
    cdef Py_ssize_t i
    if b.api != NULL:
        mu = <double *>malloc(len(params) * sizeof(double))
        if mu == NULL:
            raise MemoryError()
        for i in range(len(params)):
            mu[i] = products[i]
        with nogil:
            b.api.nadam(&b.t, &o, mu)
        for i in range(len(params)):
            products[i] = mu[i]
        free(mu)
        bump(params)


def rmsprop(list params, list grads, list square, buffers, mean, double lr, double alpha, double eps,
            double weight_decay, double momentum, bint maximize):
    """A step of RMSprop."""
    cdef Batch b = gather("RMSprop", params, grads, (square, buffers, mean), None)
    cdef optim_rmsprop o = [lr, alpha, eps, weight_decay, momentum, mean is not None, maximize]
    if b.api != NULL:
        with nogil:
            b.api.rmsprop(&b.t, &o)
        bump(params)


def adagrad(list params, list grads, list total, list steps, double lr, double lr_decay, double eps,
            double weight_decay, bint maximize):
    """A step of Adagrad."""
    cdef Batch b = gather("Adagrad", params, grads, (total,), steps)
    cdef optim_adagrad o = [lr, lr_decay, eps, weight_decay, maximize]
    if b.api != NULL:
        with nogil:
            b.api.adagrad(&b.t, &o)
        bump(params)


def adadelta(list params, list grads, list square, list updates, double lr, double rho, double eps,
             double weight_decay, bint maximize):
    """A step of Adadelta."""
    cdef Batch b = gather("Adadelta", params, grads, (square, updates), None)
    cdef optim_adadelta o = [lr, rho, eps, weight_decay, maximize]
    if b.api != NULL:
        with nogil:
            b.api.adadelta(&b.t, &o)
        bump(params)


def sum_square(list tensors):
    """Sum of the squares of all elements of contiguous tensors of one dtype."""
    cdef Batch b = gather("sum_square", tensors, tensors, (), None)
    cdef double total = 0
    if b.api != NULL:
        with nogil:
            total = b.api.sum_square(b.t.n, b.t.size, b.t.g)
    return total


def max_abs(list tensors):
    """Largest magnitude of all elements; NaN when one is NaN."""
    cdef Batch b = gather("max_abs", tensors, tensors, (), None)
    cdef double most = 0
    if b.api != NULL:
        with nogil:
            most = b.api.max_abs(b.t.n, b.t.size, b.t.g)
    return most


def scale(list tensors, double factor):
    """Multiply all elements by a factor, in place."""
    cdef Batch b = gather("scale", tensors, tensors, (), None)
    if b.api != NULL:
        with nogil:
            b.api.scale(b.t.n, b.t.size, b.t.p, factor)
        bump(tensors)


def clamp(list tensors, double low, double high):
    """Limit all elements to [low, high], in place."""
    cdef Batch b = gather("clamp", tensors, tensors, (), None)
    if b.api != NULL:
        with nogil:
            b.api.clamp(b.t.n, b.t.size, b.t.p, low, high)
        bump(tensors)


def lerp(list averages, list params, double weight):
    """averages += (params - averages) * weight, in place."""
    cdef Batch b = gather("lerp", averages, params, (), None)
    if b.api != NULL:
        with nogil:
            b.api.lerp(b.t.n, b.t.size, b.t.p, b.t.g, weight)
        bump(averages)
