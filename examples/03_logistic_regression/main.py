"""Logistic regression: is this message spam, how sure is the model, and where to draw the line."""

import re
from collections import Counter

import from_scratch as scratch
import numpy as np

from corten.cli import course
from corten.learn.linear_model import LogisticRegression
from corten.learn.preprocessing import StandardScaler


def words_of(text):
    """Lower-case words; every number becomes one word, and so does every money sign."""
    return re.findall(r"[a-z']+|<number>|[£$!]", re.sub(r"\d+", "<number>", text.lower()))


def load(run):
    """Rows, labels (1 is spam or malignant), feature names, and which rows train."""
    rng = np.random.default_rng(run.seed)
    found = run.data("sms_spam/SMSSpamCollection")
    if found is None:
        from sklearn.datasets import load_breast_cancer

        bunch = load_breast_cancer()
        run.uses("breast cancer, 569 tumours (comes with scikit-learn): set CORTEN_DATA for the SMS messages")
        order = rng.permutation(len(bunch.target))
        train, test = order[:400], order[400:]
        x = StandardScaler().fit(bunch.data[train]).transform(bunch.data)
        return x, (bunch.target == 0).astype(int), list(bunch.feature_names), train, test
    lines = found[0].read_text(encoding="utf-8").splitlines()
    labels, texts = zip(*(line.split("\t", 1) for line in lines if line), strict=True)
    run.uses(f"SMS Spam Collection, {len(texts)} messages")
    order = rng.permutation(len(texts))
    train, test = order[: len(order) * 3 // 4], order[len(order) * 3 // 4 :]
    counts = Counter(word for i in train for word in dict.fromkeys(words_of(texts[i])))  # the vocabulary is the training part's
    vocabulary = {word: j for j, (word, _) in enumerate(counts.most_common(150 if run.quick else 600))}
    x = np.zeros((len(texts), len(vocabulary)))
    for i, text in enumerate(texts):
        for word in words_of(text):
            if word in vocabulary:
                x[i, vocabulary[word]] = 1  # whether it is there; how often says little in a short message
    return x, np.array([label == "spam" for label in labels], int), list(vocabulary), train, test


def main(run):
    """Logistic regression on real messages: sigmoid, cross-entropy, Newton's method, and the choice of a threshold."""
    x, y, names, train, test = load(run)
    x_train, y_train, x_test, y_test = x[train], y[train], x[test], y[test]
    strength = 1.0
    run.say(f"{len(train)} rows to train on, {len(test)} to test; {x.shape[1]} columns; {y.mean():.1%} of the rows are positive")

    run.heading("Newton from scratch, and Corten")
    (w, b, history), t_scratch = run.time(lambda: scratch.newton(x_train, y_train, strength))
    model = LogisticRegression(C=1 / strength, solver="newton-cholesky", tol=1e-10, max_iter=100)
    _, t_corten = run.time(lambda: model.fit(x_train, y_train), 3)
    run.say("objective before each step: " + ", ".join(f"{h:.6g}" for h in history))
    run.agree("weights and intercept", [*w, b], [*model.coef_[0], *model.intercept_], atol=1e-5)
    run.agree("probabilities of the test part", scratch.sigmoid(x_test @ w + b), model.predict_proba(x_test)[:, 1], atol=1e-6)
    run.faster("fit", t_scratch, t_corten)

    run.heading("What it goes by")
    order = np.argsort(model.coef_[0])
    run.table(["towards 1", "weight", "towards 0", "weight "],
              [(names[hi], model.coef_[0][hi], names[lo], model.coef_[0][lo])
               for hi, lo in zip(order[::-1][:8], order[:8], strict=True)])  # fmt: skip

    run.heading("Where to draw the line")
    p = model.predict_proba(x_test)[:, 1]
    thresholds = np.linspace(0.02, 0.98, 49)
    curve = np.array([scratch.scores(y_test, (p >= t).astype(int)) for t in thresholds])
    rows = []
    for t in (0.1, 0.3, 0.5, 0.7, 0.9):
        rows.append((f"{t:.1f}", *scratch.scores(y_test, (p >= t).astype(int))))
    run.table(["threshold", "accuracy", "precision", "recall", "F1"], rows)
    matrix = scratch.confusion(y_test, (p >= 0.5).astype(int))
    run.table(["truth", "predicted 0", "predicted 1"], [(str(t), *map(int, matrix[t])) for t in (0, 1)], "at 0.5")
    false, true, area = scratch.roc(y_test, p)

    figure, axes = run.subplots(1, 4, (18, 4.4), "Logistic regression")
    z = np.linspace(-8, 8, 200)
    axes[0].plot(z, scratch.sigmoid(z), color="black")
    scores = x_test @ model.coef_[0] + model.intercept_[0]
    for label, colour in ((0, "tab:blue"), (1, "tab:red")):
        rows = y_test == label
        jitter = np.random.default_rng(run.seed).uniform(-0.04, 0.04, rows.sum())
        axes[0].scatter(np.clip(scores[rows], -8, 8), label + jitter, s=5, alpha=0.3, color=colour)
    axes[0].set(title="The sigmoid makes a score a probability", xlabel="score z = b + x w", ylabel="probability of class 1")
    for column, label in ((1, "precision"), (2, "recall"), (3, "F1")):
        axes[1].plot(thresholds, curve[:, column], label=label)
    axes[1].set(title="Precision against recall", xlabel="threshold")
    axes[1].legend()
    axes[2].plot(false, true)
    axes[2].plot([0, 1], [0, 1], ls="--", color="grey")
    axes[2].set(title=f"ROC: area {area:.4f}", xlabel="false positive rate", ylabel="true positive rate")
    axes[3].imshow(matrix / matrix.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    for t in (0, 1):
        for q in (0, 1):
            share = matrix[t, q] / matrix[t].sum()
            axes[3].text(q, t, str(matrix[t, q]), ha="center", va="center", color="white" if share > 0.5 else "black")
    axes[3].set(title="Test part at threshold 0.5", xlabel="predicted", ylabel="truth", xticks=(0, 1), yticks=(0, 1))
    run.save(figure, "logistic_regression")

    run.metric("test F1", scratch.scores(y_test, (p >= 0.5).astype(int))[3], at_least=0.85 if run.quick else 0.9)
    run.metric("test area under ROC", area, at_least=0.97)


if __name__ == "__main__":
    course.start(main, __file__)
