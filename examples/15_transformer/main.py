"""Transformers: attention by hand, then translation, classification, generation and pictures; attention maps drawn."""

from collections import Counter

import from_scratch as scratch
import models
import numpy as np

import corten
from corten import nn
from corten.cli import course

F = nn.functional
ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]  # fmt: skip
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def in_words(n):
    """427 as ["four", "hundred", "twenty", "seven"]."""
    if n >= 1000:
        return [*in_words(n // 1000), "thousand", *(in_words(n % 1000) if n % 1000 else [])]
    if n >= 100:
        return [ONES[n // 100], "hundred", *(in_words(n % 100) if n % 100 else [])]
    return [ONES[n]] if n < 20 else [TENS[n // 10 - 2], *([ONES[n % 10]] if n % 10 else [])]


def fit(model, batches, loss_of, lr=0.003):
    """AdamW with a warm-up and a cosine; the losses."""
    optimizer, losses = corten.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01), []
    model.train()
    for i, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = lr * min((i + 1) / 50, (1 + np.cos(np.pi * i / len(batches))) / 2)
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    return losses


def check(run, rng):
    """Attention with its gradients, and a whole block, by hand and with Corten."""
    q, k, v, dy = (rng.normal(size=(2, 4, 16, 8)) for _ in range(4))
    for causal in (False, True):
        out, weights = scratch.attention(q, k, v, causal)
        tensors = [corten.tensor(x, requires_grad=True) for x in (q, k, v)]
        ours = F.scaled_dot_product_attention(*tensors, is_causal=causal)
        ours.backward(corten.tensor(dy))
        label = "causal attention" if causal else "attention"
        run.agree(f"{label}: output", out, ours.detach().numpy(), atol=1e-12)
        for name, a, t in zip("qkv", scratch.attention_backward(dy, q, k, v, weights), tensors, strict=True):
            run.agree(f"{label}: gradient by {name}", a, t.grad.numpy(), atol=1e-12)
    corten.manual_seed(run.seed)
    block = models.Block(32, 4, causal=True).to(corten.float64)
    x, p = rng.normal(size=(3, 10, 32)), {name: w.detach().numpy() for name, w in block.named_parameters()}
    with corten.no_grad():
        run.agree("a whole block", scratch.block(x, p, 4, True), block(corten.tensor(x)).numpy(), atol=1e-12)
    big = [rng.normal(size=(4, 4, 512, 32)).astype(np.float32) for _ in range(3)]
    tensors = [corten.tensor(x) for x in big]
    _, t_scratch = run.time(lambda: scratch.attention(*big, True), 2)
    with corten.no_grad():
        _, t_corten = run.time(lambda: F.scaled_dot_product_attention(*tensors, is_causal=True), 3)
    run.faster("causal attention, 16 heads of 512 x 32", t_scratch, t_corten)


def translate(run, rng):
    """Numbers in digits to numbers in words."""
    words = ["<pad>", "<go>", "<end>", *ONES, *TENS, "hundred", "thousand"]
    number = {w: i for i, w in enumerate(words)}
    numbers = rng.permutation(100_000)
    held, numbers = numbers[:500], numbers[500 : 3000 if run.quick else 30_000]

    def encode(ns):
        source = np.array([[int(c) for c in f"{n:05d}"] for n in ns])
        target = np.zeros((len(ns), 11), np.int64)
        for row, n in zip(target, ns, strict=True):
            ids = [1, *(number[w] for w in in_words(int(n))), 2]
            row[: len(ids)] = ids
        return source, target

    source, target = encode(numbers)
    corten.manual_seed(run.seed)
    model = models.Translator(10, len(words))

    def loss_of(m, rows):
        out = m(corten.tensor(source[rows]), corten.tensor(target[rows, :-1]))
        return F.cross_entropy(out.reshape(-1, out.shape[-1]), corten.tensor(target[rows, 1:].reshape(-1)), ignore_index=0)

    losses = fit(model, [rng.integers(0, len(source), 64) for _ in range(100 if run.quick else 900)], loss_of)
    a, b = encode(held)
    with corten.no_grad():
        out = corten.ones(len(held), 1, dtype=corten.int64)
        for _ in range(10):
            out = corten.cat([out, model(corten.tensor(a), out)[:, -1:].argmax(-1)], 1)
        written = out.numpy()
        for row in written:
            end = np.flatnonzero(row == 2)
            row[end[0] + 1 if len(end) else 11 :] = 0
        model.decoder[-1].keep = True
        example = next(i for i, n in enumerate(held) if len(in_words(int(n))) >= 6)
        model(corten.tensor(a[example : example + 1]), corten.tensor(b[example : example + 1, :-1]))
    exact = float(np.mean((written == b).all(axis=1)))
    labels = [words[t] for t in b[example, 1:] if t]
    return exact, losses, (model.decoder[-1].map[0].mean(axis=0)[: len(labels)], f"{held[example]:05d}", labels), [
        (f"{n}", " ".join(words[t] for t in row[1:] if t > 2)) for n, row in zip(held[:4], written[:4], strict=True)]  # fmt: skip


def classify(run, rng):
    """Does a sentence tell the plot, or an opinion? The test accuracy, or None where the data is absent."""
    found = run.data("subjectivity/plot.tok.gt9.5000", "subjectivity/quote.tok.gt9.5000")
    if found is None:
        return None
    pairs = [(line.split(), k) for k, path in enumerate(found) for line in path.read_text(encoding="latin-1").splitlines() if line.strip()]
    pairs = [pairs[i] for i in rng.permutation(len(pairs))[: 2000 if run.quick else 10_000]]
    held = len(pairs) // 5
    counts = Counter(w for words, _ in pairs[held:] for w in dict.fromkeys(words))
    number = {w: i + 1 for i, (w, c) in enumerate(counts.most_common(6000)) if c > 1}
    x = np.zeros((len(pairs), 24), np.int64)
    for row, (words, _) in zip(x, pairs, strict=True):
        ids = [number.get(w, 0) for w in words[:24]]
        row[: len(ids)] = ids
    y = np.array([k for _, k in pairs], np.int64)
    corten.manual_seed(run.seed)
    model = models.Classifier(len(number) + 1, 2)
    fit(model, [held + rng.integers(0, len(y) - held, 64) for _ in range(80 if run.quick else 400)],
        lambda m, rows: F.cross_entropy(m(corten.tensor(x[rows])), corten.tensor(y[rows])))  # fmt: skip
    with corten.no_grad():
        return float(np.mean(model(corten.tensor(x[:held])).argmax(1).numpy() == y[:held]))


def generate(run, rng):
    """Characters of Shakespeare: loss on unseen text in nats a character, that of letter frequencies, and a sample."""
    found = run.data("tinyshakespeare/input.txt")
    text = found[0].read_text() if found else " ".join(" ".join(in_words(int(n))) for n in rng.integers(0, 100_000, 20_000))
    letters = sorted(set(text))
    ids = np.array([letters.index(c) for c in letters])
    number = {c: i for i, c in zip(ids, letters, strict=True)}
    data = np.array([number[c] for c in text])
    cut, length = int(0.9 * len(data)), 48
    corten.manual_seed(run.seed)
    model = models.Generator(len(letters), length)

    def windows(part, n):
        starts = rng.integers(0, len(part) - length - 1, n)
        return np.stack([part[s : s + length + 1] for s in starts])

    def loss_of(m, w):
        out = m(corten.tensor(w[:, :-1]))
        return F.cross_entropy(out.reshape(-1, out.shape[-1]), corten.tensor(w[:, 1:].reshape(-1)))

    losses = fit(model, [windows(data[:cut], 24) for _ in range(80 if run.quick else 900)], loss_of)
    with corten.no_grad():
        held = loss_of(model, windows(data[cut:], 100)).item()
        out = list(data[cut : cut + 12])
        for _ in range(40 if run.quick else 240):
            p = corten.softmax(model(corten.tensor(np.array(out[-length:])[None]))[0, -1] / 0.8, 0).numpy().astype(float)
            out.append(int(rng.choice(len(letters), p=p / p.sum())))
    frequencies = np.bincount(data[:cut], minlength=len(letters)) / cut
    alone = float(-np.mean(np.log(np.maximum(frequencies[data[cut:]], 1e-9))))
    return held, alone, losses, "".join(letters[i] for i in out)


def see(run, rng):
    """A small ViT on digits: test accuracy, a digit, and where the answering token looked."""
    x, y, x_test, y_test, side = run.digits(2000 if run.quick else 12_000, 1000)
    x, x_test = (v.reshape(-1, side, side).astype(np.float32) for v in (x, x_test))
    corten.manual_seed(run.seed)
    model = models.Seer(side, 4 if side == 28 else 2)
    fit(model, [rng.integers(0, len(y), 64) for _ in range(80 if run.quick else 900)],
        lambda m, rows: F.cross_entropy(m(corten.tensor(x[rows])), corten.tensor(y[rows])))  # fmt: skip
    with corten.no_grad():
        right = float(np.mean(model(corten.tensor(x_test)).argmax(1).numpy() == y_test))
        model.blocks[-1].keep = True
        model(corten.tensor(x_test[:4]))
    n = side // model.patch
    return right, x_test[:4], model.blocks[-1].map[:, :, 0, 1:].mean(axis=1).reshape(4, n, n)


def main(run):
    """Attention by hand; encoder-decoder, encoder, decoder and vision transformers with Corten; attention maps drawn."""
    rng = np.random.default_rng(run.seed)
    check(run, rng)
    run.heading("Encoder and decoder: numbers in digits to numbers in words")
    exact, losses, (cross, digits, labels), samples = translate(run, rng)
    run.table(["number", "written"], samples)
    run.heading("Encoder only: plot or opinion?")
    accuracy = classify(run, rng)
    run.say("skipped: CORTEN_DATA has no subjectivity sentences" if accuracy is None else f"test accuracy {accuracy:.3f}")
    run.heading("Decoder only: Shakespeare, a character at a time")
    held, alone, char_losses, sample = generate(run, rng)
    run.say(f"nats a character on unseen text: {held:.3f} (letter frequencies alone: {alone:.3f})")
    run.say(sample)
    run.heading("Pictures as sixteen to forty-nine tokens")
    right, pictures, maps = see(run, rng)
    run.uses(f"{run.source}; numbers and their names; Shakespeare and film sentences where they are")

    figure, axes = run.subplots(1, 3, (16, 5), "Transformers")
    axes[0].imshow(cross, cmap="viridis", aspect="auto")
    axes[0].set_xticks(range(5), list(digits))
    axes[0].set_yticks(range(len(labels)), labels)
    axes[0].set(title="While writing a word (row), which digit is looked at?")
    axes[1].plot(losses, label="numbers to words")
    axes[1].plot(char_losses, label="Shakespeare")
    axes[1].axhline(alone, ls="--", color="grey", label="letter frequencies alone")
    axes[1].set(title="Training loss (nats)", xlabel="step")
    axes[1].legend()
    axes[2].imshow(scratch.sinusoids(48, 64), cmap="RdBu", aspect="auto")
    axes[2].set(title="Positions as waves", xlabel="feature", ylabel="position")
    run.save(figure, "transformers")
    figure, axes = run.subplots(2, 4, (10, 5), "Digits, and where the answering token of the ViT looked")
    for i in range(4):
        axes[0, i].imshow(pictures[i], cmap="gray")
        axes[1, i].imshow(maps[i], cmap="inferno")
        axes[0, i].axis("off")
        axes[1, i].axis("off")
    run.save(figure, "vision")

    run.metric("numbers written without a mistake", exact, at_least=0.3 if run.quick else 0.9)
    if accuracy is not None:
        run.metric("plot or opinion: test accuracy", accuracy, at_least=0.55 if run.quick else 0.8)
    run.metric("nats a character over letter frequencies", held / alone, at_most=0.95 if run.quick else 0.7)
    run.metric("ViT: test accuracy on digits", right, at_least=0.3 if run.quick else 0.85)


if __name__ == "__main__":
    course.start(main, __file__)
