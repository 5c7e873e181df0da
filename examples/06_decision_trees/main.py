"""Decision trees: questions that purify, how a tree overfits, pruning it, and a forest of them."""

import csv

import from_scratch as scratch
import numpy as np

from corten.cli import course
from corten.learn.ensemble import RandomForestClassifier
from corten.learn.tree import DecisionTreeClassifier, export_text, plot_tree


def load(run):
    """Rows of numbers, classes, and names."""
    found = run.data("adult/adult-train.csv")
    if found is None:
        from sklearn.datasets import load_breast_cancer

        bunch = load_breast_cancer()
        run.uses("breast cancer, 569 tumours (comes with scikit-learn): set CORTEN_DATA for the census")
        return bunch.data, bunch.target, list(bunch.feature_names), list(bunch.target_names)
    with open(found[0], newline="") as file:
        rows = [[v.strip() for v in row] for row in csv.reader(file) if len(row) == 15]
    rows = rows[: 4000 if run.quick else 16_000]
    names = ["age", "years of school", "gain", "loss", "hours a week", "married", "man"]
    x = np.array([[float(r[0]), float(r[4]), float(r[10]), float(r[11]), float(r[12]), r[5].startswith("Married"),
                   r[9] == "Male"] for r in rows])  # fmt: skip
    run.uses(f"Adult, {len(rows):,} people of the 1994 census: who earns more than 50,000 dollars?")
    return x, np.array([r[14] == ">50K" for r in rows], int), names, ["<= 50K", "> 50K"]


def accuracy(predicted, y):
    """Share of right answers."""
    return float(np.mean(predicted == y))


def main(run):
    """Decision trees from scratch and with Corten: gini and information gain, overfitting, the pruning path, a forest."""
    x, y, names, classes = load(run)
    order = np.random.default_rng(run.seed).permutation(len(y))
    a, b = int(0.6 * len(y)), int(0.8 * len(y))
    parts = [order[:a], order[a:b], order[b:]]  # train, choose, test
    (x_train, y_train), (x_val, y_val), (x_test, y_test) = [(x[rows], y[rows]) for rows in parts]
    base = accuracy(np.full(len(y_test), np.bincount(y_train).argmax()), y_test)

    run.heading("The first question")
    gain, column, threshold = scratch.best_split(x_train, y_train, 2)
    run.say(f"gini: is '{names[column]}' at most {threshold:g}? It lowers the impurity by {gain:.4f}.")
    gain, column, threshold = scratch.best_split(x_train, y_train, 2, scratch.entropy)
    run.say(f"entropy: is '{names[column]}' at most {threshold:g}? It tells {gain:.4f} bits.")

    run.heading("A tree of depth 5, from scratch and with Corten")
    tree, t_scratch = run.time(lambda: scratch.grow(x_train, y_train, 2, 5))
    model = DecisionTreeClassifier(max_depth=5, random_state=run.seed)
    _, t_corten = run.time(lambda: model.fit(x_train, y_train), 3)
    # equally good questions may be chosen differently, so that a few rows may be answered differently
    run.agree("share of test rows on which the two trees agree", accuracy(scratch.predict(tree, x_test), model.predict(x_test)),
              1.0, atol=0.05)  # fmt: skip
    run.agree("number of leaves", scratch.leaves(tree), model.get_n_leaves(), atol=2)
    run.faster("grow", t_scratch, t_corten)
    run.say(export_text(DecisionTreeClassifier(max_depth=2).fit(x_train, y_train), feature_names=names).rstrip())

    run.heading("Overfitting: the deeper, the better it knows the training part")
    depths = list(range(1, 21))
    grown = [DecisionTreeClassifier(max_depth=d, random_state=run.seed).fit(x_train, y_train) for d in depths]
    by_depth = [(accuracy(t.predict(x_train), y_train), accuracy(t.predict(x_val), y_val)) for t in grown]
    run.table(["depth", "leaves", "training accuracy", "validation accuracy"],
              [(str(d), t.get_n_leaves(), *by_depth[d - 1]) for d, t in zip(depths, grown, strict=True) if d in (1, 2, 4, 8, 12, 20)])

    run.heading("Pruning: fold the leaves that pay least for their number")
    path = DecisionTreeClassifier(random_state=run.seed).cost_complexity_pruning_path(x_train, y_train)
    alphas = np.unique(np.quantile(path.ccp_alphas, np.linspace(0, 1, 12 if run.quick else 30)))[:-1]
    pruned = [DecisionTreeClassifier(ccp_alpha=alpha, random_state=run.seed).fit(x_train, y_train) for alpha in alphas]
    on_path = [(accuracy(t.predict(x_train), y_train), accuracy(t.predict(x_val), y_val)) for t in pruned]
    best = int(np.argmax([v for _, v in on_path]))
    full = pruned[0]
    run.say(f"alpha {alphas[best]:.2g} is best on the validation part: {pruned[best].get_n_leaves()} leaves in place of "
            f"{full.get_n_leaves()}")

    run.heading("A forest")
    forest, t_forest = run.time(lambda: RandomForestClassifier(50 if run.quick else 200, min_samples_leaf=3,
                                                               random_state=run.seed).fit(x_train, y_train))  # fmt: skip
    results = [("the more frequent class", base), ("full tree", accuracy(full.predict(x_test), y_test)),
               ("pruned tree", accuracy(pruned[best].predict(x_test), y_test)),
               (f"forest of {forest.n_estimators} trees", accuracy(forest.predict(x_test), y_test))]  # fmt: skip
    run.table(["model", "test accuracy"], results)
    run.say(f"the forest took {t_forest:.2f} s")

    figure, axes = run.subplots(1, 4, (19, 4.4), "Decision trees")
    p = np.linspace(0, 1, 101)
    both = np.stack([p, 1 - p], axis=1)
    axes[0].plot(p, scratch.gini(both), label="gini")
    axes[0].plot(p, scratch.entropy(both) / 2, label="entropy / 2")
    axes[0].set(title="Impurity of a node with two classes", xlabel="share of class 1")
    axes[0].legend()
    axes[1].plot(depths, [t for t, _ in by_depth], "o-", ms=3, label="training")
    axes[1].plot(depths, [v for _, v in by_depth], "o-", ms=3, label="validation")
    axes[1].set(title="Deeper is not better", xlabel="depth", ylabel="accuracy")
    axes[1].legend()
    axes[2].plot(np.maximum(alphas, 1e-6), [t for t, _ in on_path], "o-", ms=3, label="training")
    axes[2].plot(np.maximum(alphas, 1e-6), [v for _, v in on_path], "o-", ms=3, label="validation")
    axes[2].axvline(max(alphas[best], 1e-6), color="black", ls="--", lw=1)
    axes[2].set(title="The pruning path", xlabel="cost of a leaf (alpha)", xscale="log")
    axes[2].legend()
    rank = np.argsort(forest.feature_importances_)[-8:]
    axes[3].barh([names[i] for i in rank], forest.feature_importances_[rank])
    axes[3].set(title="What the forest asks about")
    run.save(figure, "trees")

    figure, axes = run.subplots(1, 1, (13, 6))
    plot_tree(DecisionTreeClassifier(max_depth=3, random_state=run.seed).fit(x_train, y_train), feature_names=names,
              class_names=classes, filled=True, fontsize=7, ax=axes)  # fmt: skip
    run.save(figure, "drawn")

    run.metric("test accuracy of the pruned tree", results[2][1], at_least=0.8)
    run.metric("test accuracy of the forest", results[3][1], at_least=0.82)
    run.metric("leaves kept by pruning", pruned[best].get_n_leaves() / full.get_n_leaves(), at_most=0.6)


if __name__ == "__main__":
    course.start(main, __file__)
