"""Metrics equal scikit-learn's to 1e-12 on predictions for real data, and the merge of parts equals the whole."""

import math
import warnings
from collections import Counter

import numpy as np
import pytest
import sklearn.metrics as judge

import corten
from corten.train import Trainer, metrics
from tests.train.training import loader, mnist, network

EXACT = 1e-12


@pytest.fixture(scope="module")
def digits():
    """Logits and classes of 1,500 MNIST images under a network that was trained a little."""
    model = network(hidden=8)
    Trainer(model, corten.nn.CrossEntropyLoss(), corten.optim.Adam(model.parameters(), lr=3e-3)).fit(loader(mnist(1500), 32))
    x, y = mnist(1500, "test")
    return model(x).detach().numpy(), y.numpy()


def parts(metric, output, target, cuts=(0, 1, 400, 401, 1000, 1500)):
    """The metric over all batches, and the same from two metrics that saw a part each and were merged."""
    whole, first, second = metric, metric.copy(), metric.copy()
    for i, (a, b) in enumerate(zip(cuts, cuts[1:], strict=False)):
        whole.update(corten.from_numpy(output[a:b].copy()), corten.from_numpy(target[a:b].copy()))
        (first if i < 3 else second).update(output[a:b], target[a:b])
    empty = metric.copy()
    empty.reset()
    merged = empty.merge(first).merge(second)
    np.testing.assert_allclose(merged.compute(), whole.compute(), rtol=1e-13, atol=0)
    return whole.compute()


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=EXACT, atol=EXACT)


def test_accuracy_and_confusion(digits):
    logits, y = digits
    found = logits.argmax(1)
    close(parts(metrics.Accuracy(), logits, y), judge.accuracy_score(y, found))
    close(parts(metrics.Accuracy(), found, y), judge.accuracy_score(y, found))
    for k in (2, 5):
        close(parts(metrics.Accuracy(top_k=k), logits, y), judge.top_k_accuracy_score(y, logits, k=k))
    ties = np.round(logits)
    close(parts(metrics.Accuracy(top_k=3), ties, y), judge.top_k_accuracy_score(y, ties, k=3))
    assert (parts(metrics.ConfusionMatrix(), logits, y) == judge.confusion_matrix(y, found)).all()
    assert (parts(metrics.ConfusionMatrix(classes=12), logits, y)[:10, :10] == judge.confusion_matrix(y, found)).all()
    assert 0.5 < judge.accuracy_score(y, found) < 0.99  # otherwise all this shows little


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", None])
def test_precision_recall_f1(digits, average):
    logits, y = digits
    found = logits.argmax(1)
    gaps = np.where(y == 4, 5, y), np.where(found == 7, 2, found)  # a class that is never true, one never predicted
    for ours, theirs in (("Precision", "precision_score"), ("Recall", "recall_score"), ("F1", "f1_score")):
        metric, score = getattr(metrics, ours), getattr(judge, theirs)
        close(parts(metric(average), logits, y), score(y, found, average=average, zero_division=0))
        close(parts(metric(average), gaps[1], gaps[0]), score(*gaps, average=average, zero_division=0))
    binary = (y > 4).astype(np.int64)
    logit = (logits[:, 5:].max(1) - logits[:, :5].max(1))
    if average is None:
        close(parts(metrics.F1("binary"), logit, binary), judge.f1_score(binary, logit > 0))


def test_rankings_and_log_loss(digits):
    logits, y = digits
    z = logits.astype(np.float64)
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    for average in ("macro", "weighted", None):
        expected = judge.roc_auc_score(y, p, multi_class="ovr", average=average)
        close(parts(metrics.AUROC(average), logits, y), expected)
        close(parts(metrics.AUROC(average, logits=False), p, y), expected)
        close(parts(metrics.AveragePrecision(average), logits, y), judge.average_precision_score(np.eye(10)[y], p, average=average))
    close(parts(metrics.LogLoss(), logits, y), judge.log_loss(y, p))
    close(parts(metrics.LogLoss(logits=False), p, y), judge.log_loss(y, p))
    sharp = np.where(p > 0.9, 1.0, 0.0)
    sharp[:, 0] += 1 - sharp.sum(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        close(parts(metrics.LogLoss(logits=False), sharp, y), judge.log_loss(y, sharp))
    binary = (y % 2).astype(np.int64)
    score = np.round(z[:, 1] - z[:, 0], 1)  # with ties
    close(parts(metrics.AUROC(), score, binary), judge.roc_auc_score(binary, score))
    close(parts(metrics.AUROC(), score[:, None], binary), judge.roc_auc_score(binary, score))
    close(parts(metrics.AUROC(), np.stack([-score, score], 1), binary), judge.roc_auc_score(binary, score))
    close(parts(metrics.AveragePrecision(), score, binary), judge.average_precision_score(binary, score))
    close(parts(metrics.LogLoss(), score, binary), judge.log_loss(binary, 1 / (1 + np.exp(-score))))
    false, true = metrics.roc_points(score, binary)
    theirs = judge.roc_curve(binary, score, drop_intermediate=False)
    close(false, theirs[0])
    close(true, theirs[1])


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_regression(offset):
    rng = np.random.default_rng(0)
    y = rng.standard_normal(1500) * 3 + offset
    found = y + rng.standard_normal(1500)
    close(parts(metrics.MSE(), found, y), judge.mean_squared_error(y, found))
    close(parts(metrics.MAE(), found[:, None], y), judge.mean_absolute_error(y, found))
    close(parts(metrics.R2(), found, y), judge.r2_score(y, found))
    two = np.stack([y, y**2 / (1 + offset)], 1)
    close(parts(metrics.R2(), two + 0.1 * found[:, None] / (1 + offset), two),
          judge.r2_score(two, two + 0.1 * found[:, None] / (1 + offset)))  # fmt: skip
    with np.errstate(all="raise"):
        constant = metrics.R2()
        constant.update([1.0, 1.0], [1.0, 1.0])
        assert constant.compute() == judge.r2_score([1.0, 1.0], [1.0, 1.0]) == 1.0


def test_perplexity_is_the_exponential_of_the_cross_entropy():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((12, 5, 30))
    tokens = rng.integers(0, 30, (12, 5))
    tokens[3, 2:] = -100
    expected = math.exp(torch.nn.functional.cross_entropy(torch.from_numpy(logits).reshape(-1, 30), torch.from_numpy(tokens).reshape(-1)))
    close(parts(metrics.Perplexity(), logits, tokens, (0, 3, 4, 7, 12)), expected)
    close(parts(metrics.Perplexity(), np.moveaxis(logits, 2, 1).copy(), tokens, (0, 3, 4, 7, 12)), expected)


def test_bleu_on_the_examples_of_its_paper():
    """Papineni et al. 2002: the precisions of section 2.1 and of its candidates 1 and 2."""
    metric = metrics.BLEU()
    metric.update(["the the the the the the the"], [["the cat is on the mat", "there is a cat on the mat"]])
    assert metric.precisions[0] == 2 / 7
    references = ["It is a guide to action that ensures that the military will forever heed Party commands",
                  "It is the guiding principle which guarantees the military forces always being under the command of the Party",
                  "It is the practical guide for the army always to heed the directions of the party"]  # fmt: skip
    lower = [r.lower() for r in references]
    first = "it is a guide to action which ensures that the military always obeys the commands of the party"
    second = "it is to insure the troops forever hearing the activity guidebook that party direct"
    for text, one, two in ((first, 17 / 18, 10 / 17), (second, 8 / 14, 1 / 13)):
        metric = metrics.BLEU()
        metric.update([text], [lower])
        assert metric.precisions[:2] == [one, two]
    assert metric.compute() == 0.0  # no common 3-gram
    metric = metrics.BLEU()
    metric.update([first], [lower])
    expected = (17 / 18 * 10 / 17 * 7 / 16 * 4 / 15) ** 0.25
    assert Counter(zip(*(first.split()[i:] for i in range(4)), strict=False)).total() == 15
    assert metric.compute() == pytest.approx(expected, rel=EXACT)  # 18 words as the closest reference: no penalty
    short = metrics.BLEU()
    short.update(["it is a guide to action"], [lower])
    assert short.compute() == pytest.approx(math.exp(1 - 16 / 6), rel=EXACT)
    both, a = metrics.BLEU(), metrics.BLEU()
    both.update([first, second], [lower, lower])
    a.update([second], [lower])
    assert metric.merge(a).compute() == both.compute() > 0


def test_iou_is_the_jaccard_index():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 5, (1500, 4))
    found = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, 5, truth.shape))
    close(parts(metrics.IoU(), found, truth), judge.jaccard_score(truth.ravel(), found.ravel(), average="macro"))
    close(parts(metrics.IoU(average=False), found, truth), judge.jaccard_score(truth.ravel(), found.ravel(), average=None))


def images(count, seed):
    """Detections near the truths of some images, and others out of the blue."""
    rng = np.random.default_rng(seed)
    found, truths = [], []
    for _ in range(count):
        n = int(rng.integers(1, 6))
        corner, size = rng.random((n, 2)) * 80, 5 + rng.random((n, 2)) * 30
        boxes, labels = np.concatenate([corner, corner + size], 1), rng.integers(0, 3, n)
        near = boxes + rng.standard_normal(boxes.shape) * 2.5
        stray = rng.random((2, 2)) * 80
        every = np.concatenate([near, near[:1] + 1, np.concatenate([stray, stray + 15], 1)])
        kinds = np.concatenate([labels, labels[:1], rng.integers(0, 3, 2)])
        found.append({"boxes": every, "scores": rng.random(len(every)), "labels": kinds})
        truths.append({"boxes": boxes, "labels": labels})
    return found, truths


def area(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def naive_map(found, truths, threshold, label):
    """Average precision from its definition, detection by detection."""
    flat = sorted(((s, i, b) for i, f in enumerate(found) for s, b, k in zip(f["scores"], f["boxes"], f["labels"], strict=True)
                   if k == label), key=lambda e: -e[0])  # fmt: skip
    total = sum(int((t["labels"] == label).sum()) for t in truths)
    taken, points, right = set(), [], 0
    for n, (_, i, box) in enumerate(flat, 1):
        options = [(area(box, b), j) for j, (b, k) in enumerate(zip(truths[i]["boxes"], truths[i]["labels"], strict=True))
                   if k == label and (i, j) not in taken]  # fmt: skip
        best = max(options, default=(0, -1))
        if best[0] >= threshold:
            taken.add((i, best[1]))
            right += 1
        points.append((right / total, right / n))
    return np.mean([max((p for r, p in points if r >= level), default=0.0) for level in np.linspace(0, 1, 101)])


def test_mean_average_precision_is_its_definition():
    found, truths = images(40, 0)
    metric, first, second = (metrics.MeanAveragePrecision() for _ in range(3))
    metric.update(found, truths)
    first.update(found[:13], truths[:13])
    second.update(found[13:], truths[13:])
    thresholds = [0.5 + 0.05 * i for i in range(10)]
    table = np.array([[naive_map(found, truths, t, label) for t in thresholds] for label in range(3)])
    result = metric.compute()
    assert result["map"] == pytest.approx(table.mean(), rel=EXACT)
    assert result["map_50"] == pytest.approx(table[:, 0].mean(), rel=EXACT)
    assert result["map_class_1"] == pytest.approx(table[1].mean(), rel=EXACT)
    assert first.merge(second).compute() == result
    assert 0.1 < result["map"] < 0.9


def test_what_does_not_fit_is_refused():
    accuracy = metrics.Accuracy()
    for output, target, error in (
        (np.zeros((3, 4)), np.zeros(2), "outputs of shape (3, 4) and targets of shape (2,)"),
        (np.zeros((3, 4, 5)), np.zeros(3), "expected (N, C, ...) for (N, ...)"),
        (np.array([-1, 0]), np.array([0, 0]), "class numbers below 0"),
    ):
        with pytest.raises(ValueError) as found:
            accuracy.update(output, target)
        assert error in str(found.value)
    with pytest.raises(TypeError, match="are no class numbers"):
        accuracy.update(np.array([0, 1]), np.array([0.5, 1.0]))
    with pytest.raises(TypeError, match="got a Recall to merge"):
        accuracy.merge(metrics.Recall())
    with pytest.raises(ValueError, match="got one with"):
        accuracy.merge(metrics.Accuracy(top_k=2))
    with pytest.raises(ValueError, match="got class 3, expected classes below 3"):
        metrics.ConfusionMatrix(3).update([3], [0])
    with pytest.raises(ValueError, match="not finite"):
        metrics.AUROC().update([float("nan"), 0.0], [0, 1])
    with pytest.raises(ValueError, match="list of at least one reference"):
        metrics.BLEU().update(["a"], ["a"])
    with pytest.raises(ValueError, match="targets of shape"):
        metrics.MSE().update([1.0, 2.0], [1.0])
    for empty in (accuracy, metrics.F1(), metrics.AUROC(), metrics.LogLoss(), metrics.R2(), metrics.MSE(), metrics.IoU(),
                  metrics.Perplexity(), metrics.BLEU()):  # fmt: skip
        empty.reset()
        assert math.isnan(empty.compute())
