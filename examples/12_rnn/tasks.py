"""The data of four tasks: many-to-one, many-to-many, one-to-many, and sequence to sequence."""

import csv
from collections import Counter

import numpy as np

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]


def padded(sequences, length):
    """Sequences of numbers as one array, zeros in front: the last step is always the last word."""
    out = np.zeros((len(sequences), length), np.int64)
    for row, s in zip(out, sequences, strict=True):
        s = s[-length:]
        row[length - len(s) :] = s
    return out


def sentiment(run, size):
    """Sentences of film reviews as word numbers (n, 24), and whether they praise; train and test; the number of words."""
    found = run.data("rt_polarity/rt-polarity.pos", "rt_polarity/rt-polarity.neg")
    rng = np.random.default_rng(run.seed)
    if found:
        texts = [path.read_text(encoding="utf-8").split("\n") for path in found]
        pairs = [(t.split(), 1 - k) for k, lines in enumerate(texts) for t in lines if t.strip()]
        rng.shuffle(pairs)
        pairs = pairs[:size]
        run.uses(f"{len(pairs):,} sentences of film reviews, airline passengers, digits, dates")
    else:  # praise and blame in a small language of our own
        good, bad, rest = ["good", "fine", "great"], ["bad", "dull", "weak"], ["the", "film", "plot", "was", "and", "a", "very", "not"]
        pairs = []
        for _ in range(2000):
            words, label = [rest[i] for i in rng.integers(0, len(rest) - 1, 8)], int(rng.integers(2))
            at = int(rng.integers(1, 8))
            negated = rng.random() < 0.3
            words[at] = rng.choice(good if bool(label) != negated else bad)
            words[at - 1] = "not" if negated else words[at - 1]
            pairs.append((words, label))
        run.uses("sentences made from a small grammar, digits and dates: set CORTEN_DATA for film reviews and airline passengers")
    held = len(pairs) // 5
    counts = Counter(w for words, _ in pairs[held:] for w in dict.fromkeys(words))
    number = {w: i + 1 for i, (w, c) in enumerate(counts.most_common(4000)) if c > 1}  # 0 is padding and every rare word
    x = padded([[number.get(w, 0) for w in words] for words, _ in pairs], 24)
    y = np.array([label for _, label in pairs], np.int64)
    return x[held:], y[held:], x[:held], y[:held], len(number) + 1


def passengers(run):
    """Monthly airline passengers as logarithms; or a rhythm of the same kind."""
    found = run.data("time_series/airline-passengers.csv")
    if found:
        with open(found[0], newline="") as file:
            return np.log([float(r[1]) for r in list(csv.reader(file))[1:]])
    t = np.arange(144)
    return 5 + 0.01 * t + 0.15 * np.sin(2 * np.pi * t / 12)


def dates(n, rng):
    """Dates as people write them and as computers do: ("5 March 1987", "1987-03-05")."""
    pairs = []
    for _ in range(n):
        day, month, year = int(rng.integers(1, 29)), int(rng.integers(1, 13)), int(rng.integers(1950, 2030))
        name = MONTHS[month - 1]
        forms = (f"{day} {name} {year}", f"{name} {day}, {year}", f"{day}.{month}.{year}", f"{name[:3].lower()} {day} {year}")
        pairs.append((forms[int(rng.integers(4))], f"{year}-{month:02d}-{day:02d}"))
    return pairs


def characters(texts):
    """A number for each character; 0 pads, 1 starts."""
    return {c: i + 2 for i, c in enumerate(sorted(set("".join(texts))))}
