"""Data preprocessing: holes, outliers, scales, categories and new features, without a leak from the test part."""

import csv
import re

import from_scratch as scratch
import numpy as np

from corten.cli import course
from corten.learn.covariance import IQROutlierDetector
from corten.learn.impute import SimpleImputer
from corten.learn.linear_model import LogisticRegression
from corten.learn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler


def titanic(path):
    """Numbers with holes, categories, and features made of the raw columns."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    numbers = np.array([[float(r[k] or "nan") for k in ("Age", "Fare", "SibSp", "Parch")] for r in rows])
    categories = [[r["Sex"], r["Pclass"], r["Embarked"] or "S"] for r in rows]
    family = numbers[:, 2] + numbers[:, 3] + 1
    made = np.column_stack([family, family == 1, numbers[:, 1] / family, [bool(r["Cabin"]) for r in rows]])
    titles = [re.search(r", ([^.]*)\.", r["Name"]).group(1) for r in rows]
    titles = [t if t in ("Mr", "Mrs", "Miss", "Master") else "rare" for t in titles]
    return (numbers, ["age", "fare", "siblings", "parents"], categories, made,
            ["family size", "alone", "fare a head", "cabin known"], titles, np.array([int(r["Survived"]) for r in rows]))  # fmt: skip


def wine(seed):
    """The same kinds of columns from 178 wines: measurements with holes, a category, ratios."""
    from sklearn.datasets import load_wine

    bunch = load_wine()
    rng = np.random.default_rng(seed)
    numbers = bunch.data[:, :4].copy()
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    categories = [["dark" if v > 5 else "light"] for v in bunch.data[:, 9]]
    made = np.column_stack([bunch.data[:, 5] / bunch.data[:, 6], bunch.data[:, 9] / bunch.data[:, 10]])
    titles = ["high" if v > 800 else "low" for v in bunch.data[:, 12]]
    return (numbers, list(bunch.feature_names[:4]), categories, made, ["phenols / flavanoids", "intensity / hue"], titles,
            (bunch.target == 0).astype(int))  # fmt: skip


def accuracy(train, test, y_train, y_test):
    """Of a logistic regression on the prepared columns, on the test part."""
    model = LogisticRegression(max_iter=1000).fit(train, y_train)
    return float(np.mean(model.predict(test) == y_test))


def prepare(parts, train, test):
    """One table of numbers for the training and one for the test part: imputed, standardised, categories as 0 and 1."""
    numbers, categories = parts
    filled = [scratch.impute(numbers[rows], scratch.medians(numbers[train])) for rows in (train, test)]
    scaled = [scratch.standardise(filled[0], x) for x in filled]
    columns = [[row[j] for row in categories] for j in range(len(categories[0]))]
    hot = [[scratch.one_hot(np.array(c)[train], np.array(c)[rows]) for c in columns] for rows in (train, test)]
    return [np.column_stack([s, *h]) for s, h in zip(scaled, hot, strict=True)]


def leak(run):
    """Choosing columns by all rows, on pure noise: the test part looks predictable. By the training part: it does not."""
    rng = np.random.default_rng(run.seed)
    n, p, kept, rounds = 100, 2000, 20, 20 if run.quick else 50
    wrong, right = [], []
    for _ in range(rounds):
        x, y = rng.normal(size=(n, p)), np.repeat([0, 1], n // 2)[rng.permutation(n)]
        train, test = scratch.split(n, 0.5, int(rng.integers(2**31)))
        for rows, scores in ((np.arange(n), wrong), (train, right)):
            best = np.argsort(-np.abs((y[rows] - y[rows].mean()) @ x[rows]))[:kept]
            scores.append(accuracy(x[train][:, best], x[test][:, best], y[train], y[test]))
    return np.array(wrong), np.array(right)


def main(run):
    """Prepare a real table from scratch and with Corten, and see what each step is worth to a classifier."""
    found = run.data("titanic/train.csv")
    if found:
        run.uses("Titanic, 891 passengers")
        numbers, names, categories, made, made_names, titles, y = titanic(found[0])
    else:
        run.uses("178 wines with holes made in them (come with scikit-learn): set CORTEN_DATA for the Titanic")
        numbers, names, categories, made, made_names, titles, y = wine(run.seed)
    train, test = scratch.split(len(y), 0.3, run.seed)

    run.heading("Holes")
    imputer = SimpleImputer(strategy="median").fit(numbers[train])
    run.table(["column", "missing", "median that replaces them"],
              [[n, f"{np.isnan(c).sum()} of {len(c)}", m]
               for n, c, m in zip(names, numbers.T, scratch.medians(numbers[train]), strict=True)])  # fmt: skip
    filled = scratch.impute(numbers, scratch.medians(numbers[train]))
    run.agree("imputed values", filled, imputer.transform(numbers), atol=0)

    run.heading("Outliers by Tukey's fences")
    low, high = scratch.fences(numbers[train])
    detector = IQROutlierDetector().fit(numbers[train])
    run.agree("fences", [low, high], [detector.lower_, detector.upper_], atol=1e-9)
    outside = ((numbers < low) | (numbers > high)).sum(axis=0)
    run.table(["column", "lower fence", "upper fence", "outside"], list(zip(names, low, high, outside, strict=True)))

    run.heading("Scales")
    scalers = [("standardise", scratch.standardise, StandardScaler()), ("normalise", scratch.normalise, MinMaxScaler()),
               ("robust", scratch.robust, RobustScaler())]  # fmt: skip
    scaled = {}
    for label, by_hand, scaler in scalers:
        scaled[label] = by_hand(filled[train], filled)
        run.agree(label, scaled[label], scaler.fit(filled[train]).transform(filled), atol=1e-9)
    big = np.random.default_rng(run.seed).normal(size=(20_000 if run.quick else 200_000, 20))
    _, t_scratch = run.time(lambda: scratch.standardise(big, big), 5)
    _, t_corten = run.time(lambda: StandardScaler().fit_transform(big), 5)
    run.faster(f"standardise {big.shape[0]:,} x {big.shape[1]}", t_scratch, t_corten)

    run.heading("What each step is worth")
    bare = scratch.impute(numbers, np.zeros(numbers.shape[1]))
    steps = [("numbers as they are, holes as 0", (bare[train], bare[test])),
             ("+ median, standardised", prepare((numbers, [["-"]] * len(y)), train, test)),
             ("+ categories", prepare((numbers, categories), train, test)),
             ("+ made features", prepare((np.column_stack([numbers, made]), categories), train, test)),
             ("+ title or group", prepare((np.column_stack([numbers, made]),
                                           [[*c, t] for c, t in zip(categories, titles, strict=True)]), train, test))]  # fmt: skip
    scores = [(label, accuracy(a, b, y[train], y[test])) for label, (a, b) in steps]
    base = max(y[test].mean(), 1 - y[test].mean())
    run.table(["columns", "test accuracy"], [("always the more frequent class", float(base)), *scores])
    run.say(f"made features: {', '.join(made_names)}")

    run.heading("A leak: columns of pure noise, the best 20 of 2,000 chosen")
    wrong, right = leak(run)
    run.table(["chosen by", "test accuracy (truth: 0.5)"],
              [("all rows", float(wrong.mean())), ("the training part", float(right.mean()))])  # fmt: skip

    figure, axes = run.subplots(2, 2, (12, 8), "Data preprocessing")
    axes[0, 0].boxplot([c[~np.isnan(c)] for c in numbers.T], tick_labels=names)
    axes[0, 0].set(title="The raw numbers: different scales, long tails", yscale="symlog")
    for label, values in scaled.items():
        axes[0, 1].hist(values[:, 1], bins=60, histtype="step", label=label)
    axes[0, 1].set(title=f"{names[1]}: three scales, one shape", yscale="log", ylabel="rows")
    axes[0, 1].legend()
    axes[1, 0].barh([s[0] for s in scores][::-1], [s[1] for s in scores][::-1])
    axes[1, 0].axvline(base, color="black", ls="--", lw=1)
    axes[1, 0].set(title="Test accuracy, step by step (dashed: the more frequent class)", xlim=(0.5, 1))
    axes[1, 1].hist([wrong, right], bins=15, label=["chosen by all rows: a leak", "by the training part"])
    axes[1, 1].axvline(0.5, color="black", ls="--", lw=1)
    axes[1, 1].set(title="Predicting noise", xlabel="test accuracy", ylabel="rounds")
    axes[1, 1].legend(loc="upper center", fontsize="small")
    run.save(figure, "preprocessing")

    run.metric("test accuracy after all steps", scores[-1][1], at_least=0.8)
    run.metric("accuracy on noise with the leak", wrong.mean(), at_least=0.65)
    run.metric("accuracy on noise without it, distance from a half", abs(right.mean() - 0.5), at_most=0.05)


if __name__ == "__main__":
    course.start(main, __file__)
