"""Calls that must give what PyTorch gives, as text in which ``L`` is the library; tables by the kind of input."""

from __future__ import annotations

# one real tensor x, of any shape; values in (0.1, 0.9) so that every domain is met
SMOOTH = """
L.logit(x) L.logit(x, 0.2) L.deg2rad(x) L.rad2deg(x) L.sinc(x) L.xlogy(x, x) L.xlogy(x, 2.0) L.float_power(x, 2)
L.clamp_min(x, 0.31) L.clamp_max(x, 0.31) L.mvlgamma(x+3, 2) L.positive(x) L.special.entr(x) L.special.erfcx(x) L.i0(x)
L.special.i0e(x) L.special.i1(x) L.special.i1e(x) L.special.ndtr(x) L.special.ndtri(x) L.special.log_ndtr(x)
L.special.xlog1py(x, x) L.polygamma(1, x.abs()+0.1) L.polygamma(0, x)
L.digamma(x) L.lgamma(x) L.special.expit(x) L.special.gammaln(x) L.special.psi(x) L.logaddexp(x, 2*x)
L.logaddexp2(x, 2*x) L.ldexp(x, L.tensor(3)) L.fmax(x, 0.5+0*x) L.fmin(x, 0.5+0*x) L.hypot(x, x+1) L.nansum(x)
L.norm(x) L.norm(x, 1) L.norm(x, 3) L.norm(x, float('inf')) L.linalg.vector_norm(x, 0).detach() L.dist(x, 2*x)
L.dist(x, 2*x, 1) L.var(x) L.std(x) L.flip(x, ()) L.atleast_1d(x) L.atleast_2d(x) L.atleast_3d(x) L.diagflat(x)
L.roll(x, 2) L.ravel(x) L.repeat_interleave(x, 2) x.repeat(2, 1, 2) L.tile(x, (2,)) x.median() x.nanmedian()
L.angle(x).detach() L.float_power(2.0, x) L.special.multigammaln(x+3, 2) L.nan_to_num(x) x.max() x.min() L.kron(x, x)
L.rsqrt(x) L.erfinv(x) L.acosh(x+1.5) L.atan2(x, x+1) L.lerp(x, x+1, 0.3) L.logsumexp(x, 0)
"""
# a matrix x (3, 4) of different values, y (3, 4) another, v (4,)
MATRIX = """
L.cumsum(x, 0) L.cumsum(x, -1) L.cumprod(x, 1) L.logcumsumexp(x, 1) L.logcumsumexp(x, 0) L.cummax(x, 1) L.cummin(x, 0)
L.diff(x) L.diff(x, 2, 0) L.diff(x, 1, 1, y, y) L.trapezoid(x) L.trapezoid(x, y) L.trapezoid(x, v.sort()[0])
L.trapezoid(x, dx=0.3, dim=0) L.cumulative_trapezoid(x, dx=2.0) L.gradient(x) L.gradient(x, dim=1, spacing=0.3)
L.gradient(x, edge_order=2)
L.gradient(x, spacing=[L.tensor([0.0,1,3],dtype=x.dtype), L.tensor([0.0,1,3,4],dtype=x.dtype)]) L.sort(x, 1)
L.sort(x, 0, True) L.msort(x) L.topk(x, 2) L.topk(x, 2, 0, False) L.kthvalue(x, 2) L.kthvalue(x, 1, 0, True)
L.median(x, 1) L.median(x, 0, True) L.nanmedian(x, 1) L.mode(x, 1) L.max(x, 1) L.min(x, 0, True) L.max(x, y) x.min(y)
L.aminmax(x) L.aminmax(x, dim=1) L.quantile(x, 0.3) L.quantile(x, 0.3, 1)
L.quantile(x, L.tensor([0.1,0.5,1.0],dtype=x.dtype), 0, True) L.nanquantile(x, 0.4, 1)
L.quantile(x, 0.3, 1, interpolation='lower') L.quantile(x, 0.3, 1, interpolation='higher')
L.quantile(x, 0.3, 1, interpolation='nearest') L.quantile(x, 0.3, 1, interpolation='midpoint') L.flip(x, (0,))
L.flip(x, (0, 1)) x.flip(1) L.fliplr(x) L.flipud(x) L.roll(x, (1, -1), (0, 1)) L.roll(x, 5, 1) L.roll(x, 1) L.rot90(x)
L.rot90(x, 2) L.rot90(x, 3) L.rot90(x, -1, (1, 0)) L.rot90(x, 0) x.repeat(2, 3) L.tile(x, (2,))
L.repeat_interleave(x, 2, 1) L.repeat_interleave(x, L.tensor([1,0,2]), 0) L.tril(x) L.triu(x, 1) L.tril(x, -1)
L.diag(x) L.diag(x, 1) L.diag(v) L.diag(v, -1) L.diagflat(v) L.diag_embed(x) L.diag_embed(x, 1, 0, 2) L.trace(x)
L.diagonal_scatter(x, v[:3]) L.slice_scatter(x, y[:, 1:3], 1, 1, 3) L.slice_scatter(x, y[:2], 0, 0, 3, 2)
L.select_scatter(x, v, 0, 1) L.as_strided_scatter(x.contiguous(), y[:2, :2], (2, 2), (1, 2)).detach() L.hstack([x, y])
L.vstack([x, y]) L.dstack([x, y]) L.column_stack([v, v]) L.row_stack([v, v]) L.hstack([v, v]) L.vstack([v, v])
L.dstack([v, v]) L.block_diag(x, v) L.block_diag(x, y) L.broadcast_tensors(x, v) L.meshgrid(v, v, indexing='ij')
L.meshgrid(v, x[0], indexing='xy') L.cartesian_prod(v, v) L.combinations(v) L.combinations(v, 3)
L.combinations(v, 2, True) L.tensor_split(x, 3, 1) L.tensor_split(x, (1, 2)) L.tensor_split(x, (1, 9), 1)
L.hsplit(x, 2) L.vsplit(x, 3) L.split_with_sizes(x, [1, 2]) L.unsafe_chunk(x, 2) L.unsafe_split(x, 2)
L.moveaxis(x, 0, 1) L.adjoint(x) L.transpose_copy(x, 0, 1) L.narrow_copy(x, 1, 1, 2) L.einsum('ij->ji', x)
L.einsum('ij,kj->ik', x, y) L.einsum('ij,ij->', x, y) L.einsum('ij,ij->ij', x, y) L.einsum('ij,j', x, v)
L.einsum('i,j->ij', v, v) L.einsum('...j,j->...', x, v) L.einsum('ij,kj,k->i', x, y, y[:, 0]) L.einsum('ij->', x)
L.einsum('ij->j', x) L.einsum(x, [0, 1], y, [2, 1], [0, 2]) L.einsum('ij,kj', x, y) L.tensordot(x, y, ([0, 1], [0, 1]))
L.tensordot(x, y.T, 1) L.tensordot(x, y, ([1], [1])) L.tensordot(v, v, 0) L.kron(x, v) L.kron(x, y) L.inner(x, y)
L.inner(v, v) L.vdot(v, v) L.outer(v, x[0]) L.ger(v, v) L.addmm(x[:, :3], x, y.T)
L.addmm(v[:3], x, y.T, beta=0.5, alpha=2.0) L.addmv(v[:3], x, v) L.addr(x[:, :3], v[:3], v[:3], alpha=0.3)
L.chain_matmul(x, y.T, x) L.cdist(x, y) L.cdist(x, y, 1.0) L.cdist(x, y, 3.0) L.cdist(x, y * 1.3, float('inf'))
L.cdist(x, y, compute_mode='use_mm_for_euclid_dist') L.pdist(x) L.pdist(x, 1.0) L.cosine_similarity(x, y)
L.pairwise_distance(x, y) L.renorm(x, 2, 0, 1.0) L.nanmean(x) L.nanmean(x, 1, True) L.nansum(x, 0) L.cov(x) L.cov(v)
L.cov(x, correction=0, fweights=L.tensor([1,2,1,3])) L.cov(x, aweights=v.abs()) L.corrcoef(x) L.var(x, 1)
L.std(x, 0, keepdim=True) L.var_mean(x, 1) L.std_mean(x, dim=(0,1)) L.var(x, correction=0) L.std(x, 1, False)
L.norm(x, 2, 1) L.norm(x, 'nuc') L.norm(x, 'fro', (0, 1)) L.norm(x, dim=1, p=1.5) L.frobenius_norm(x, (0, 1))
L.linalg.matrix_norm(x) L.linalg.matrix_norm(x, 1) L.linalg.matrix_norm(x, -1) L.linalg.matrix_norm(x, float('inf'))
L.linalg.matrix_norm(x, 2) L.linalg.matrix_norm(x, -2) L.linalg.matrix_norm(x, 'nuc', keepdim=True) L.linalg.norm(x)
L.linalg.norm(x, 2) L.linalg.norm(x, float('inf'), 1) L.linalg.vector_norm(x, 3, 1)
L.linalg.vector_norm(x, 0.5, (0, 1), True) L.linalg.multi_dot([x, y.T, x]) L.linalg.multi_dot([v, x.T, y, v])
L.linalg.vecdot(x, y) L.linalg.cross(x[:, :3], y[:, :3]) L.cross(x, y, 0) L.linalg.vander(v) L.vander(v.detach())
L.vander(v.detach(), 3, True) L.softmax(x, 1) L.log_softmax(x, 0) x.softmax(-1) L.special.softmax(x, 0)
L.where(x > 0, x, y) x.where(x > 0, 0.0) L.heaviside(x, y).detach() L.signbit(x) L.isposinf(x) L.isneginf(x)
L.nextafter(x, y).detach() L.frexp(x.detach()) L.unique(x.detach()) L.unique_consecutive(x.detach())
L.histc(x.detach(), 5) L.histc(x.detach(), 5, -1, 1) L.histogram(x.detach(), 4)
L.histogram(x.detach(), 4, range=(-1., 1.), density=True) L.searchsorted(v.detach().sort()[0], x.detach())
L.bucketize(x.detach(), v.detach().sort()[0], right=True)
L.searchsorted(x.detach().sort(1)[0], y.detach(), side='right') L.isin(x.detach(), v.detach()) L.argsort(x, 1)
L.argsort(x, 0, True) L.view_copy(x, (4, 3)) L.stack([x, y], 1) L.channel_shuffle(L.reshape(x, (1, 4, 3)), 2)
L.constant_pad_nd(x, (1, 2, -1, 1), 0.5) x.hardshrink(0.4) L.squeeze_copy(x) L.unbind_copy(x) L.inverse(x[:, :3]+3*L.eye(3,dtype=x.dtype))
L.bilinear(x, y, L.stack([x.T @ y, y.T @ x]), v[:2]) L.expand_copy(v, (3, 4)) L.sum(x.flatten().tile(3))
"""
# a batch b (2, 3, 4), c (2, 4, 5), d (3, 5)
BATCH = """
L.baddbmm(L.zeros(2,3,5,dtype=b.dtype), b, c) L.baddbmm(d, b, c, beta=0.5, alpha=0.3) L.addbmm(d, b, c) L.bmm(b, c)
L.einsum('bij,bjk->bik', b, c) L.einsum('bij,bjk->ik', b, c) L.einsum('bij,bjk,ik->b', b, c, d)
L.einsum('...ij,...jk->...ik', b, c) L.einsum('bij->ibj', b) L.einsum('bii->bi', b[:, :, :3])
L.einsum('bij,bij->b', b, b) L.einsum('bij,kj->bik', b, c[0].T) L.tensordot(b, c, ([0, 2], [0, 1]))
L.tensordot(b, c, ([2], [1])) L.cumsum(b, 1) L.cumprod(b, 1) L.flip(b, (0, 2)) L.roll(b, (1, 2), (0, 2)) L.sort(b, 1)
L.topk(b, 2, 1) L.median(b, 1) L.kthvalue(b, 2, 1) L.max(b, 1) L.quantile(b, 0.6, 1) L.triu(b) L.tril(b, 1)
L.diag_embed(b) L.dsplit(b, 2) L.var(b, (0, 2)) L.std(b, 1) L.var_mean(b, (0, 1)) L.repeat_interleave(b, 3, 1)
b.repeat(1, 2, 1) L.cdist(b, b+1) L.logcumsumexp(b, 1) L.rot90(b, 1, (1, 2)) L.linalg.vector_norm(b, 2, (0, 2))
L.kron(b, d) L.inner(b, b[0]) L.atleast_3d(b) L.nanmean(b, (0, 1)) L.trapezoid(b, dim=1) L.diff(b, dim=0)
L.linalg.matrix_norm(b, 2) L.linalg.svdvals(b) L.linalg.pinv(b) L.cummax(b, 1) L.mode(b, 1) L.adjoint(b) b.mT
L.norm(b, 2, (1, 2))
"""
# square matrices a (2, 3, 3) near 3 I, s symmetric positive definite, r (2, 3, 2), t (5, 3)
SQUARE = """
L.linalg.inv(a) L.linalg.solve(a, r) L.linalg.solve(a, r[:, :, 0]) L.linalg.solve(a[0], r)
L.linalg.solve(a, r.mT, left=False) L.linalg.solve_triangular(a, r, upper=True)
L.linalg.solve_triangular(a, r, upper=False) L.linalg.solve_triangular(a, r, upper=False, unitriangular=True)
L.linalg.solve_triangular(a, r.mT, upper=True, left=False) L.triangular_solve(r, a) L.linalg.cholesky(s)
L.linalg.cholesky(s, upper=True) L.cholesky_solve(r, L.linalg.cholesky(s)) L.cholesky_inverse(L.linalg.cholesky(s[0]))
L.linalg.qr(a) L.linalg.qr(t) L.linalg.qr(t.T) L.linalg.qr(t.detach(), 'r')[1] L.linalg.svdvals(t) L.linalg.eigvalsh(s)
L.linalg.det(a) L.linalg.slogdet(a) L.logdet(s) L.det(a) L.linalg.matrix_exp(a) L.linalg.matrix_power(a, 3)
L.linalg.matrix_power(a, -2) L.linalg.matrix_power(a, 0).detach() L.linalg.pinv(t) L.linalg.pinv(t.T)
L.linalg.lstsq(t, L.cat([t, t], 1))[0] L.linalg.lu(a) L.linalg.lu_factor(a)
L.linalg.lu_solve(*L.linalg.lu_factor(a), r) L.lu_solve(r, *L.linalg.lu_factor(a)) L.lu_unpack(*L.linalg.lu_factor(a))
L.linalg.cond(a) L.linalg.cond(a.detach(), 1) L.linalg.cond(a.detach(), 'fro') L.linalg.matrix_rank(t)
L.linalg.householder_product(t, a[0, 0]) L.linalg.tensorinv(a.reshape(1, 2, 3, 3)[0, :1].reshape(3, 3), 1)
L.linalg.tensorsolve(a[0], r[0, :, 0]) L.linalg.cholesky_ex(s) L.linalg.inv_ex(a) L.linalg.solve_ex(a, r)
L.linalg.ldl_factor(s.detach()) L.linalg.diagonal(a) L.linalg.ldl_solve(*L.linalg.ldl_factor(s.detach()), r.detach())
L.pinverse(t) L.svd(t)[1] L.linalg.svd(t, full_matrices=False)[1] L.qr(t) L.linalg.eigvals(a.detach()).abs().sort()[0]
L.cholesky(s) L.matrix_exp(a) L.inverse(a) L.slogdet(a) L.geqrf(t.detach())
L.ormqr(t.detach(), a[0,0].detach(), t.detach())
"""
# integers i (3, 4), j (3, 4) from 1, w (8,) from 0
INTEGER = """
L.sort(i, 1) L.topk(i, 2)[0] L.cumsum(i, 0) L.cumprod(i, 1) L.cummax(i, 1) L.cummin(i, 1) L.median(i) L.median(i, 1)
L.kthvalue(i, 2)[0] L.mode(i, 1)[0] L.max(i, 1) L.min(i, 1) i.max() L.unique(w)
L.unique(w, return_inverse=True, return_counts=True) L.unique(i, dim=0)
L.unique_consecutive(w, return_inverse=True, return_counts=True) L.bincount(w) L.bincount(w, minlength=20)
L.bincount(w, w.double()) L.gcd(i, j) L.lcm(i, j) L.searchsorted(w.sort()[0], i) L.bucketize(i, w.sort()[0])
L.isin(i, w) L.flip(i, (1,)) L.roll(i, 1, 0) L.tril(i) L.triu(i) L.diag(i) L.trace(i) L.diff(i) i.repeat(2, 2)
L.repeat_interleave(i, 2) L.repeat_interleave(w) L.tile(i, (2, 2)) L.kron(i, j) L.logaddexp(i.float(), j.float())
L.argsort(w) L.msort(i) L.nansum(i) L.block_diag(i, j) L.hstack([i, j]) L.cartesian_prod(w, w) L.combinations(w)
L.signbit(i - 2) L.positive(i) L.float_power(i, 2) L.aminmax(i) L.heaviside(i - 2, j) L.true_divide(i, j)
L.unravel_index(w, (3, 4)) L.tensordot(i, j, ([0, 1], [0, 1])) L.clamp_min(i, 2) L.xlogy(i, j) L.sinc(i) L.i0(i)
L.deg2rad(i) L.logit(i * 0.1) L.isposinf(i) L.isreal(i) L.eye(3) L.tril_indices(3, 4) L.triu_indices(3, 3, 1)
L.logspace(0, 2, 5) L.atleast_2d(w) L.vander(w) L.outer(w, w) L.einsum('ij,ij->i', i, j) L.cov(i) L.hann_window(8)
L.hamming_window(7, False) L.blackman_window(9) L.bartlett_window(8) L.kaiser_window(8) L.scalar_tensor(3)
L.asarray([1, 2]) L.broadcast_shapes((2, 1), (3,)) L.fft.fftfreq(5) L.fft.rfftfreq(6, 0.5) L.fft.fftshift(w)
L.fft.ifftshift(i) L.special.zeta(j.double() + 1, j.double()) L.isneginf(i) L.nan_to_num(i) L.mvlgamma(j.float() + 3, 2)
L.special.chebyshev_polynomial_t(i.float()*0.1, j) L.special.chebyshev_polynomial_v(i.float()*0.1, j)
L.special.hermite_polynomial_h(i.float(), j) L.special.laguerre_polynomial_l(i.float(), j)
L.special.legendre_polynomial_p(i.float() * 0.1, j) L.special.bessel_j0(i.double()) L.special.bessel_y1(j.double())
L.special.airy_ai(j.double()) L.special.spherical_bessel_j0(j.double()) L.special.modified_bessel_k0(j.double())
L.igamma(i.double(), j.double()) L.igammac(j.double(), i.double())
"""
# signals x (2, 8), real
FOURIER = """
L.fft.fft(x) L.fft.fft(x, 5) L.fft.fft(x, 10, 0) L.fft.fft(x, norm='ortho') L.fft.ifft(x) L.fft.ifft(x, norm='forward')
L.fft.rfft(x) L.fft.rfft(x, 7) L.fft.rfft(x, norm='ortho') L.fft.irfft(L.fft.rfft(x)) L.fft.irfft(L.fft.rfft(x), 7)
L.fft.irfft(L.fft.rfft(x, norm='forward'), norm='forward') L.fft.hfft(x) L.fft.ihfft(x) L.fft.fft2(x) L.fft.ifft2(x)
L.fft.rfft2(x) L.fft.irfft2(L.fft.rfft2(x)) L.fft.fftn(x) L.fft.ifftn(x) L.fft.rfftn(x)
L.fft.irfftn(L.fft.rfftn(x), (2, 8)) L.fft.hfft2(x) L.fft.ihfft2(x) L.fft.hfftn(x) L.fft.ihfftn(x) L.fft.fft(x).abs()
L.fft.rfft(x).angle() L.fft.rfft(x).real L.fft.rfft(x).imag L.real(L.fft.fft(x)) L.view_as_real(L.fft.rfft(x))
L.complex(x, x + 1) L.polar(x.abs(), x) L.conj(L.complex(x, x+1)) L.fft.fft(L.complex(x, x+1))
L.fft.ifft(L.complex(x, x+1), 5) L.abs(L.complex(x, x+1)) L.view_as_complex(x.reshape(2, 4, 2)) L.fft.fftshift(x)
(L.fft.fft(x) * L.fft.fft(x + 1)) (L.fft.fft(x) / L.complex(x, x + 2)) (L.complex(x, x) + 2.0) (L.complex(x, x) - x)
L.complex(x, x + 1).sum(0) L.complex(x, x + 1).mean() -L.complex(x, x) L.complex(x, x + 1).exp() L.complex(x, x + 1).sqrt()
L.fft.irfft(L.fft.rfft(x) * L.fft.rfft(x * x)) (L.complex(x, x) @ L.complex(x, x + 1).T) (L.complex(x, x) * 2j) (L.complex(x, x + 1) ** 2)
L.stft(x, 4, return_complex=True) L.stft(x, 4, 2, window=L.hann_window(4, dtype=x.dtype), return_complex=True)
L.istft(L.stft(x, 4, 1, window=L.hann_window(4, dtype=x.dtype), return_complex=True), 4, 1, window=L.hann_window(4, dtype=x.dtype))
L.stft(x, 4, center=False, onesided=False, return_complex=True)
"""
IN_PLACE = """
x.logit_() x.nan_to_num_() x.round_() x.clamp_(-0.3, 0.3) x.clamp_min_(0.1) x.clamp_max_(0.1) x.clip_(0, 1) x.sinc_()
x.i0_() x.xlogy_(y.abs()) x.heaviside_(y) x.cumsum_(1) x.cumprod_(0) x.eq_(y) x.lt_(y) x.ge_(0.0) x.logical_and_(y)
x.logical_not_() x.tril_() x.triu_(1) x.fill_diagonal_(5.0) x.addmm_(y, y) x.addr_(y[0], y[1]) x.renorm_(2, 0, 0.5)
x.nextafter_(y) x.float_power_(2) x.deg2rad_() x.rad2deg_() x.ldexp_(y) x.squeeze_() x.unsqueeze_(0) x.t_()
x.transpose_(0, 1) x.swapaxes_(0, 1) x.resize_(2, 2) x.apply_(lambda v: v * 2) x.map_(y, lambda a, b: a + b)
x.polygamma_(1) x.mvlgamma_(1) x.greater_(y) x.as_strided_((2, 2), (1, 2)) x.resize_as_(y[:2]) x.igamma_(y.abs())
x.not_equal_(y) x.true_divide_(2.0) x.floor_divide_(0.3) x.sign_() x.set_(y)
"""
ERRORS = """
L.cumsum(x, 5) L.sort(x, 3) L.topk(x, 9) L.kthvalue(x, 9) L.median(x, 7) L.max(x, 4) L.quantile(x, 2.0)
L.quantile(i, 0.5) L.flip(x, (5,)) L.flip(x, (0, 0)) L.roll(x, (1, 2), (0,)) L.tril(v) L.diag(b) L.trace(v) x.repeat(2)
L.repeat_interleave(x, L.tensor([1, 2]), 0) L.hsplit(x, 3) L.tensor_split(x, 0) L.split_with_sizes(x, [1, 1])
L.einsum('ij,jk', x, x) L.einsum('ijk', x) L.tensordot(x, x, 1) L.inner(x, v[:2]) L.outer(x, v) L.addmm(x, x, x)
L.addmv(v, x, x) L.cdist(x, b[0, :, :3]) L.cov(b) L.linalg.inv(x) L.linalg.inv(x[:, :2]) L.linalg.inv(L.zeros(2, 2))
L.linalg.cholesky(-L.eye(2)) L.linalg.solve(L.eye(3), L.ones(4, 2)) L.linalg.det(x) L.linalg.qr(x, 'full')
L.linalg.matrix_power(x, 2) L.linalg.cross(x, x) L.linalg.eigh(i) L.fft.fft(x, 0) L.fft.rfft(L.complex(x, x))
L.view_as_complex(x) L.complex(x, i) L.bincount(x) L.bincount(-w) L.histc(x, 0) L.searchsorted(v, x, side='middle')
L.meshgrid(x, x) L.broadcast_tensors(x, L.ones(3)) L.gcd(x, x) L.nextafter(i, i) L.positive(L.tensor(True))
L.heaviside(x, i) L.diff(L.tensor(1.0)) L.logspace(0, 1, -1) L.eye(-1) L.vander(x) L.combinations(x) L.block_diag(b)
L.unravel_index(x, (2, 2)) L.polygamma(-1, x) L.mvlgamma(x, 0) L.frexp(i) L.nanmean(i) L.rot90(v)
L.diag_embed(x, 0, 1, 1) L.fliplr(v) L.cumsum('a', 0) i.sinc_() L.linalg.multi_dot([x]) L.linalg.vector_norm(i)
L.linalg.matrix_norm(x, 'abc') L.pdist(b) L.stft(x, 4) L.renorm(x, 2, 7, 1.0) L.channel_shuffle(x, 3) L.isin(x)
L.unique(x, dim=5) L.linalg.tensorinv(x, 0) L.linalg.lstsq(x, v[:2]) L.dot(x, x) x.resize_(-2) L.slice_scatter(x, v)
L.median(x, 'a')
"""
# of those above, twice differentiated
SECOND = """
L.cumsum(x, 0) L.cumprod(x, 1) L.logcumsumexp(x, 1) L.sort(x, 1) L.topk(x, 2) L.median(x, 1) L.max(x, 1)
L.roll(x, 5, 1) L.flip(x, (0,)) L.triu(x, 1) L.var(x, 1) L.std(x, 0, keepdim=True) L.var_mean(x, 1) L.norm(x, 3)
L.norm(x) L.logit(x) L.digamma(x) L.special.i1(x) L.special.erfcx(x) L.special.ndtri(x) L.linalg.inv(a)
L.linalg.solve(a, r) L.linalg.cholesky(s) L.linalg.det(a) L.linalg.slogdet(a) L.linalg.matrix_exp(a)
L.linalg.svdvals(t) L.linalg.eigvalsh(s) L.linalg.qr(t) L.linalg.pinv(t) L.linalg.solve_triangular(a, r, upper=True)
L.linalg.lu(a) L.einsum('ij,kj->ik', x, y) L.cdist(x, y) L.fft.fft(x).abs() L.fft.irfft(L.fft.rfft(x), 7)
L.quantile(x, 0.3, 1) L.kron(x, y) L.diag_embed(x) L.linalg.vector_norm(x, 3, 1) L.cummax(x, 1)
"""
# in half precision
HALF = """
L.cumsum(x, 0) L.sort(x, 1) L.topk(x, 2) L.max(x, 1) L.flip(x, (0,)) L.triu(x, 1) L.roll(x, 1)
L.std(x, 0, keepdim=True) L.softmax(x, 1) L.einsum('ij,kj->ik', x, y) L.norm(x) L.median(x, 1) L.logaddexp(x, y)
L.fmax(x, y)
"""
# the same bits for any number of threads
THREADS = """
L.sort(x, 0) L.topk(x, 40, 0) L.cumsum(x, 0) L.cumprod(x, 1) L.median(x, 0) L.flip(x, (0,)) L.std(x)
L.einsum('ij,kj->ik', x, x) L.cdist(x, x)
"""


def calls(table: str) -> list[str]:
    """The calls of a table: text up to a blank at bracket depth 0."""
    found, depth, at = [], 0, ""
    quoted = False
    for c in table:
        quoted ^= c == "'"
        if not quoted:
            depth += (c in "([") - (c in ")]")
        if c.isspace() and depth == 0 and not quoted:
            tail = at.rstrip()
            if tail:
                found.append(tail)
            at = ""
        else:
            at += c
    return found + ([at] if at.strip() else [])
