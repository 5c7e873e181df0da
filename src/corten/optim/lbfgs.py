"""Limited-memory BFGS with a strong-Wolfe line search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corten.autograd import enable_grad, no_grad
from corten.ops.view import cat
from corten.optim.optimizer import Optimizer, check


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last gradients. Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 3.5.

    ``step`` needs a closure that clears gradients, computes the loss, calls backward and returns the loss.

    Parameters
    ----------
    params : iterable
        Parameters: one group.
    lr : float
    max_iter, max_eval : int
        Most iterations, and calls of the closure, of one ``step`` (by default 1.25 max_iter).
    tolerance_grad, tolerance_change : float
        When to stop: greatest gradient, and change.
    history_size : int
        How many gradients to remember.
    line_search_fn : {None, 'strong_wolfe'}

    Examples
    --------
    >>> import corten
    >>> x = corten.nn.Parameter(corten.tensor([3.0, -2.0]))
    >>> opt = corten.optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     opt.zero_grad()
    ...     loss = (x * x).sum()
    ...     loss.backward()
    ...     return loss
    >>> _ = opt.step(closure)
    >>> bool((x.abs() < 1e-5).all())
    True
    """

    needs_closure = True  # of step(): what a training loop asks before it calls that

    def __init__(self, params: Any, lr: float = 1, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None) -> None:  # fmt: skip
        check("LBFGS", lr=lr)
        super().__init__(params, {"lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                                  "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
                                  "history_size": history_size, "line_search_fn": line_search_fn})  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError(f"[LBFGS] got {len(self.param_groups)} parameter groups, expected one")
        self._params = self.param_groups[0]["params"]

    def _gradient(self) -> Any:
        return cat([p.new_zeros(p.numel()) if p.grad is None else p.grad.detach().reshape(-1) for p in self._params])

    def _move(self, t: float, direction: Any) -> None:
        at = 0
        for p in self._params:
            p.add_(direction[at : at + p.numel()].reshape(p.shape) * t)
            at += p.numel()

    def _evaluate(self, closure: Callable[[], Any], start: list[Any], t: float, direction: Any) -> tuple[float, Any]:
        self._move(t, direction)
        loss = float(closure())
        gradient = self._gradient()
        for p, q in zip(self._params, start, strict=True):
            p.copy_(q)
        return loss, gradient

    @no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Iterate; the closure is called several times. Returns the loss of its first call."""
        if closure is None:
            raise TypeError("[LBFGS] step needs a closure")
        for hook in list(self._pre_hooks.values()):
            hook(self, (closure,), {})
        self._step_called = True
        closure = enable_grad()(closure)
        group = self.param_groups[0]
        lr, tolerance = float(group["lr"]), group["tolerance_change"]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(f"[LBFGS] got line_search_fn={group['line_search_fn']!r}, expected None or 'strong_wolfe'")
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss, evaluations = float(first), 1
        state["func_evals"] += 1
        gradient = self._gradient()
        converged = float(gradient.abs().amax()) <= group["tolerance_grad"]
        iterations = 0
        while not converged and iterations < group["max_iter"]:
            iterations += 1
            state["n_iter"] += 1
            direction = self._direction(state, gradient, group["history_size"])
            state["prev_flat_grad"], before = gradient.clone(), loss
            t = min(1.0, 1.0 / float(gradient.abs().sum())) * lr if state["n_iter"] == 1 else lr
            slope = float(gradient.dot(direction))
            if slope > -tolerance:
                break
            calls = 0
            if group["line_search_fn"] is not None:
                start = [p.clone() for p in self._params]

                def at(t: float, start: Any = start, direction: Any = direction) -> tuple[float, Any]:
                    return self._evaluate(closure, start, t, direction)

                loss, gradient, t, calls = strong_wolfe(at, t, direction, loss, gradient, slope)
                self._move(t, direction)
                converged = float(gradient.abs().amax()) <= group["tolerance_grad"]
            else:
                self._move(t, direction)
                if iterations != group["max_iter"]:
                    loss = float(closure())
                    gradient = self._gradient()
                    converged = float(gradient.abs().amax()) <= group["tolerance_grad"]
                    calls = 1
            state["d"], state["t"] = direction, t
            evaluations += calls
            state["func_evals"] += calls
            if evaluations >= group["max_eval"] or float((direction * t).abs().amax()) <= tolerance or \
                    abs(loss - before) < tolerance:  # fmt: skip
                break
        for hook in list(self._post_hooks.values()):
            hook(self, (closure,), {})
        return first

    @staticmethod
    def _direction(state: Any, gradient: Any, history: int) -> Any:
        """Minus the inverse Hessian times the gradient, by the two-loop recursion."""
        if state["n_iter"] == 1:
            state["old_dirs"], state["old_stps"], state["ro"], state["H_diag"] = [], [], [], 1.0
            return -gradient
        y, s = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        dirs, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        ys = float(y.dot(s))
        if ys > 1e-10:
            if len(dirs) == history:
                del dirs[0], steps[0], ro[0]
            dirs.append(y)
            steps.append(s)
            ro.append(1.0 / ys)
            state["H_diag"] = ys / float(y.dot(y))
        alphas = []
        q = -gradient
        for i in reversed(range(len(dirs))):
            alphas.append(float(steps[i].dot(q)) * ro[i])
            q = q - dirs[i] * alphas[-1]
        d = q * state["H_diag"]
        for i, alpha in enumerate(reversed(alphas)):
            d = d + steps[i] * (alpha - float(dirs[i].dot(d)) * ro[i])
        return d


def minimum_of_cubic(x1: float, f1: float, g1: float, x2: float, f2: float, g2: float, low: float, high: float) -> float:
    """Where the cubic through two points with slopes is least, within [low, high]."""
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if square < 0:
        return (low + high) / 2
    d2 = square**0.5
    at = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2)) if x1 <= x2 else x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(at, low), high)


def strong_wolfe(at: Callable[[float], tuple[float, Any]], t: float, direction: Any, f: float, g: Any, slope: float,
                 c1: float = 1e-4, c2: float = 0.9, tolerance: float = 1e-9, most: int = 25) -> tuple[float, Any, float, int]:  # fmt: skip
    """A step with enough descent and a flat enough slope: loss, gradient, step and number of evaluations."""
    scale = float(direction.abs().amax())
    f_new, g_new = at(t)
    calls, slope_new = 1, float(g_new.dot(direction))
    t_old, f_old, g_old, slope_old = 0.0, f, g, slope
    done, steps = False, 0
    bracket: list[list[Any]] = []  # ends as [t, f, g, slope]
    while steps < most:
        if f_new > f + c1 * t * slope or (steps > 1 and f_new >= f_old):
            bracket = [[t_old, f_old, g_old, slope_old], [t, f_new, g_new, slope_new]]
            break
        if abs(slope_new) <= -c2 * slope:
            bracket, done = [[t, f_new, g_new, slope_new]], True
            break
        if slope_new >= 0:
            bracket = [[t_old, f_old, g_old, slope_old], [t, f_new, g_new, slope_new]]
            break
        following = minimum_of_cubic(t_old, f_old, slope_old, t, f_new, slope_new, t + 0.01 * (t - t_old), t * 10)
        t_old, f_old, g_old, slope_old = t, f_new, g_new, slope_new
        t = following
        f_new, g_new = at(t)
        calls += 1
        slope_new = float(g_new.dot(direction))
        steps += 1
    if steps == most:
        bracket = [[0.0, f, g, slope], [t, f_new, g_new, slope_new]]
    stuck = False
    low, high = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    while not done and steps < most:
        if abs(bracket[1][0] - bracket[0][0]) * scale < tolerance:
            break
        (t1, f1, _, s1), (t2, f2, _, s2) = bracket
        t = minimum_of_cubic(t1, f1, s1, t2, f2, s2, min(t1, t2), max(t1, t2))
        # a step too near an end of the bracket twice is moved inside
        margin, top, bottom = 0.1 * abs(t2 - t1), max(t1, t2), min(t1, t2)
        if min(top - t, t - bottom) < margin:
            if stuck or t >= top or t <= bottom:
                t = top - margin if abs(t - top) < abs(t - bottom) else bottom + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new = at(t)
        calls += 1
        slope_new = float(g_new.dot(direction))
        steps += 1
        found = [t, f_new, g_new, slope_new]
        if f_new > f + c1 * t * slope or f_new >= bracket[low][1]:
            bracket[high] = found
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if abs(slope_new) <= -c2 * slope:
                done = True
            elif slope_new * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = found
    t, f_new, g_new, _ = bracket[low if len(bracket) > 1 else 0]
    return f_new, g_new, t, calls
