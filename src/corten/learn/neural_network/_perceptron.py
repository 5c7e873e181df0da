"""Multilayer perceptrons: scikit-learn's estimators with the layers, losses and steps of the tensor core."""

import warnings

import numpy as np

import corten
from corten.learn._base import ConvergenceWarning, Estimator, from_sklearn, is_classifier, issparse, validate_data
from corten.learn.neural_network._layers import Layers, Steps, as_tensor

__all__ = ["MLPClassifier", "MLPRegressor"]

_ROWS = 4096  # predicted at a time: activations of that many rows are alive


class _Perceptron(Estimator):
    """Training and prediction of both."""

    def _fit_stochastic(self, X, y, sample_weight, activations, deltas, coef_grads, intercept_grads, layer_units, incremental):
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        layers = Layers(self.coefs_, self.intercepts_, self.activation, self.out_activation_)
        before = getattr(self, "_optimizer", None) if incremental else None
        steps = Steps(layers, self.solver, self.learning_rate_init, before)
        self._descend(layers, steps, _Parts(self, X, y, sample_weight), incremental)
        self._optimizer = steps.state()
        if self.early_stopping:
            self.coefs_, self.intercepts_ = self._best_coefs, self._best_intercepts
        else:
            self.coefs_, self.intercepts_ = layers.arrays()

    def _descend(self, layers, steps, parts, incremental):
        """Epochs until the loss, or the score of held-out rows, no longer improves."""
        n = parts.rows
        size = self._batch_rows(n)
        shuffle = from_sklearn("utils.shuffle")
        order = np.arange(n)
        try:
            self.n_iter_ = 0
            for _ in range(self.max_iter):
                if self.shuffle:
                    order = shuffle(order, random_state=self._random_state)
                total = 0.0
                for start in range(0, n, size):
                    rows = order[start : start + size]
                    x, y, weight, mass = parts.batch(rows)
                    total += layers.gradients(x, y, weight, mass, self.alpha) * len(rows)
                    if self.solver == "adam":
                        steps.adam(self.beta_1, self.beta_2, self.epsilon, self.alpha / mass)
                    else:
                        steps.sgd(self.momentum, self.nesterovs_momentum, self.alpha / mass)
                self.n_iter_ += 1
                self.loss_ = total / n
                self.t_ += n
                self.loss_curve_.append(self.loss_)
                if self.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
                if self.early_stopping:
                    self.coefs_, self.intercepts_ = layers.arrays()
                self._update_no_improvement_count(self.early_stopping, parts.X_held, parts.y_held, parts.weight_held)
                if self.solver == "sgd" and self.learning_rate == "invscaling":
                    steps.change_rate(self.learning_rate_init / (self.t_ + 1) ** self.power_t)
                if self._no_improvement_count > self.n_iter_no_change:
                    if self._ends(steps):
                        break
                    self._no_improvement_count = 0
                if incremental:
                    break
                if self.n_iter_ == self.max_iter:
                    warnings.warn(f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization "
                                  "hasn't converged yet.", ConvergenceWarning, stacklevel=4)  # fmt: skip
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)

    def _batch_rows(self, n):
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warnings.warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=5)
        return int(np.clip(self.batch_size, 1, n))

    def _ends(self, steps):
        """Whether the fit ends, or goes on with a lower rate."""
        what = "Validation score" if self.early_stopping else "Training loss"
        text = f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."
        adaptive = self.solver == "sgd" and self.learning_rate == "adaptive"
        if not adaptive or steps.rate <= 1e-6:
            if self.verbose:
                print(text + (" Learning rate too small. Stopping." if adaptive else " Stopping."))
            return True
        steps.change_rate(steps.rate / 5.0)
        if self.verbose:
            print(f"{text} Setting learning rate to {steps.rate:f}")
        return False

    def _backprop(self, X, y, sample_weight, activations, deltas, coef_grads, intercept_grads):
        """Loss and gradients of all rows, for L-BFGS."""
        layers = Layers(self.coefs_, self.intercepts_, self.activation, self.out_activation_)
        x, target, weight, mass = _Parts(self, X, y, sample_weight, held_out=False).batch(slice(None))
        loss = layers.gradients(x, target, weight, mass, self.alpha)
        coefs = [w.grad.numpy().T + (self.alpha / mass) * c for w, c in zip(layers.weights, self.coefs_, strict=True)]
        return loss, coefs, [b.grad.numpy() for b in layers.biases]

    def _forward_pass_fast(self, X, check_input=True):
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        dtype = self.coefs_[0].dtype
        layers = Layers(self.coefs_, self.intercepts_, self.activation, self.out_activation_)
        found = []
        for start in range(0, X.shape[0], _ROWS):
            rows = X[start : start + _ROWS]
            rows = rows.toarray() if issparse(rows) else rows
            found.append(layers.outputs(as_tensor(np.asarray(rows, dtype=dtype))))
        return found[0] if len(found) == 1 else np.concatenate(found)


class _Parts:
    """The rows that a fit steps over, as tensors, and those it holds out."""

    def __init__(self, est, X, y, weight, held_out=None):
        self.X_held = self.y_held = self.weight_held = None
        if est.early_stopping if held_out is None else held_out:
            X, y, weight = self._split(est, X, y, weight)
        self.rows, self.dtype = X.shape[0], X.dtype
        self.X = X.tocsr() if issparse(X) else as_tensor(X)
        self.sparse = issparse(X)
        if est.out_activation_ == "softmax":
            self.y = corten.from_numpy(np.asarray(y).argmax(1).astype(np.int64))
        else:
            self.y = as_tensor(np.asarray(y, dtype=self.dtype))
        self.weight = None if weight is None else as_tensor(np.asarray(weight, dtype=self.dtype).reshape(-1, 1))

    def _split(self, est, X, y, weight):
        arrays = (X, y) if weight is None else (X, y, weight)
        single = is_classifier(est) and est.n_outputs_ == 1  # several labels a row cannot be stratified
        found = from_sklearn("model_selection.train_test_split")(
            *arrays, random_state=est._random_state, test_size=est.validation_fraction, stratify=y if single else None
        )
        if found[1].shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        self.X_held, self.y_held = found[1], found[3]
        if is_classifier(est):
            self.y_held = est._label_binarizer.inverse_transform(self.y_held)
        if weight is not None:
            self.weight_held = found[5]
        return found[0], found[2], None if weight is None else found[4]

    def batch(self, rows):
        """x, y, weights (N, 1) or None, and the sum of the weights."""
        if isinstance(rows, slice):
            x = as_tensor(self.X.toarray()) if self.sparse else self.X
            y, weight = self.y, self.weight
        else:
            index = corten.from_numpy(rows)
            x = as_tensor(self.X[rows].toarray()) if self.sparse else self.X.index_select(0, index)
            y = self.y.index_select(0, index)
            weight = None if self.weight is None else self.weight.index_select(0, index)
        return x, y, weight, float(x.shape[0]) if weight is None else float(weight.numpy().sum())


class MLPClassifier(_Perceptron, from_sklearn("neural_network.MLPClassifier")):
    """Classifier by a multilayer perceptron, trained on the cross-entropy.

    Starts from the same weights, visits the rows in the same order and takes the same steps as scikit-learn, so results agree
    for the same ``random_state`` up to rounding.

    Parameters
    ----------
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, \
random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, \
epsilon, n_iter_no_change, max_fun
        As in :class:`sklearn.neural_network.MLPClassifier`.

    Attributes
    ----------
    classes_, loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, t_, coefs_, intercepts_, n_iter_, \
n_layers_, n_outputs_, out_activation_
        As in :class:`sklearn.neural_network.MLPClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> net = MLPClassifier((8,), solver="lbfgs", random_state=1, max_iter=500).fit(X, [0, 1, 1, 0])
    >>> net.predict(X)
    array([0, 1, 1, 0])
    """


class MLPRegressor(_Perceptron, from_sklearn("neural_network.MLPRegressor")):
    """Regressor by a multilayer perceptron, trained on the squared error or the Poisson deviance.

    Starts from the same weights, visits the rows in the same order and takes the same steps as scikit-learn.

    Parameters
    ----------
    loss, hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, \
beta_2, epsilon, n_iter_no_change, max_fun
        As in :class:`sklearn.neural_network.MLPRegressor`.

    Attributes
    ----------
    loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, t_, coefs_, intercepts_, n_iter_, n_layers_, \
n_outputs_, out_activation_
        As in :class:`sklearn.neural_network.MLPRegressor`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(0, 1, 20)[:, None]
    >>> net = MLPRegressor(hidden_layer_sizes=(8,), activation="tanh", solver="lbfgs", alpha=0, random_state=1)
    >>> net = net.fit(X, X[:, 0] ** 2)
    >>> bool(abs(net.predict([[0.5]])[0] - 0.25) < 0.01)
    True
    """
