"""Recurrent networks: RNN, LSTM and GRU; four shapes of task; the vanishing gradient measured."""

import from_scratch as scratch
import numpy as np
import tasks

import corten
from corten import nn
from corten.cli import course

F = nn.functional


class Reader(nn.Module):
    """Many to one: words to a class, by the last state."""

    def __init__(self, words, kind, width=32):
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.rnn = getattr(nn, kind)(width, width, batch_first=True)
        self.drop = nn.Dropout(0.4)
        self.out = nn.Linear(width, 2)

    def forward(self, x):
        states, _ = self.rnn(self.drop(self.embed(x)))
        return self.out(self.drop(states[:, -1]))


class Forecaster(nn.Module):
    """Many to many: after every value, the next one."""

    def __init__(self, kind, width=24):
        super().__init__()
        self.rnn = getattr(nn, kind)(1, width, batch_first=True)
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        return self.out(self.rnn(x)[0])


class Speller(nn.Module):
    """One to many: an image, then its name letter by letter."""

    def __init__(self, pixels, letters, width=64):
        super().__init__()
        self.image = nn.Linear(pixels, width)
        self.embed = nn.Embedding(letters, width)
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, letters)

    def start(self, image):
        return corten.tanh(self.image(image)).unsqueeze(0)

    def forward(self, image, letters):
        return self.out(self.rnn(self.embed(letters), self.start(image))[0])


class Translator(nn.Module):
    """Sequence to sequence: an encoder reads, its last state starts the decoder, which writes."""

    def __init__(self, inputs, outputs, width=128):
        super().__init__()
        self.read, self.write = nn.Embedding(inputs, width), nn.Embedding(outputs, width)
        self.encoder, self.decoder = nn.GRU(width, width, batch_first=True), nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, outputs)

    def forward(self, x, before):
        _, state = self.encoder(self.read(x))
        return self.out(self.decoder(self.write(before), state)[0])


def fit(model, batches, loss_of, lr=0.003):
    """Adam over the batches; the losses."""
    optimizer, losses = corten.optim.Adam(model.parameters(), lr=lr), []
    model.train()
    for i, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = lr * (1 + np.cos(np.pi * i / len(batches))) / 2
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # a recurrent network's gradient can explode
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    return losses


def draw(rng, n, size, steps):
    """Row numbers of random batches."""
    return [rng.integers(0, n, size) for _ in range(steps)]


def check(run):
    """An RNN with its gradients, and an LSTM, from scratch and with Corten."""
    rng = np.random.default_rng(run.seed)
    x, dh = rng.normal(size=(20, 8, 5)), rng.normal(size=(20, 8, 16))
    model = nn.RNN(5, 16).to(corten.float64)
    w_x, w_h, b_x, b_h = (p.detach().numpy() for p in model.parameters())
    states = scratch.rnn(x, np.zeros((8, 16)), w_x, w_h, b_x + b_h)
    t = corten.tensor(x, requires_grad=True)
    out, _ = model(t)
    out.backward(corten.tensor(dh))
    run.agree("RNN: states", states[1:], out.detach().numpy(), atol=1e-12)
    by_hand = scratch.rnn_backward(x, states, dh, w_x, w_h)
    grads = [t.grad, *(p.grad for p in list(model.parameters())[:3])]
    for name, a, b in zip(("x", "W_x", "W_h", "b"), by_hand, grads, strict=True):
        run.agree(f"RNN: gradient by {name}", a, b.numpy(), atol=1e-10)
    model = nn.LSTM(5, 16).to(corten.float64)
    weights = [p.detach().numpy() for p in model.parameters()]
    hidden, _ = scratch.lstm(x, np.zeros((8, 16)), np.zeros((8, 16)), *weights)
    run.agree("LSTM: hidden states", hidden, model(corten.tensor(x))[0].detach().numpy(), atol=1e-12)
    x = rng.normal(size=(100, 32, 32))
    model = nn.LSTM(32, 64).to(corten.float64)
    weights, t = [p.detach().numpy() for p in model.parameters()], corten.tensor(x)
    _, t_scratch = run.time(lambda: scratch.lstm(x, np.zeros((32, 64)), np.zeros((32, 64)), *weights), 2)
    with corten.no_grad():
        _, t_corten = run.time(lambda: model(t), 3)
    run.faster("LSTM forward, 100 steps of 32 x 64", t_scratch, t_corten)


def vanishing(run, length=60):
    """How much the last state still knows of step t: the size of its gradient by x_t."""
    sizes = {}
    for kind in ("RNN", "LSTM", "GRU"):
        corten.manual_seed(run.seed)
        model = getattr(nn, kind)(8, 32)
        if kind == "LSTM":
            with corten.no_grad():
                model.bias_hh_l0[32:64] += 2.0  # the forget gate begins open: the usual advice
        x = corten.randn(length, 16, 8).requires_grad_()
        model(x)[0][-1].sum().backward()
        sizes[kind] = np.sqrt((x.grad.numpy() ** 2).sum(axis=(1, 2)))
    return sizes


def main(run):
    """RNN, LSTM and GRU by hand and with Corten: sentiment, forecasting, spelling images, translating dates."""
    rng = np.random.default_rng(run.seed)
    check(run)

    run.heading("The vanishing gradient: gradient of the last state by the input of step t")
    sizes = vanishing(run)
    run.table(["network", "last step", "10 before", "30 before", "59 before"],
              [(k, *(f"{v[-1 - d] / v[-1]:.1e}" for d in (0, 10, 30, 59))) for k, v in sizes.items()])  # fmt: skip

    run.heading("Many to one: does the sentence praise the film?")
    x, y, x_test, y_test, words = tasks.sentiment(run, 3000 if run.quick else 10_700)
    by_kind = {}
    for kind in ("RNN", "LSTM", "GRU"):
        corten.manual_seed(run.seed)
        model = Reader(words, kind)
        batches = draw(rng, len(y), 64, 300 if run.quick else 1500)
        fit(model, batches, lambda m, rows: F.cross_entropy(m(corten.tensor(x[rows])), corten.tensor(y[rows])))
        with corten.no_grad():
            by_kind[kind] = float(np.mean(model(corten.tensor(x_test)).argmax(1).numpy() == y_test))
    run.table(["network", "test accuracy"], list(by_kind.items()))

    run.heading("Many to many: the next month's passengers, after every month")
    series = tasks.passengers(run)
    mean, deviation = series[:108].mean(), series[:108].std()
    z = ((series - mean) / deviation).astype(np.float32)
    change = np.diff(z)  # what the network sees and predicts: the change, since the level grows
    windows = np.stack([change[i : i + 37] for i in range(108 - 37)])
    corten.manual_seed(run.seed)
    model = Forecaster("LSTM")
    fit(model, draw(rng, len(windows), 32, 150 if run.quick else 600),
        lambda m, rows: F.mse_loss(m(corten.tensor(windows[rows, :-1, None])), corten.tensor(windows[rows, 1:, None])), 0.01)  # fmt: skip
    with corten.no_grad():
        predicted = model(corten.tensor(change[None, :-1, None])).numpy()[0, :, 0]
    forecast = np.exp((z[1:-1] + predicted) * deviation + mean)  # of months 2 .. 143
    truth = np.exp(series)
    errors = {"LSTM": np.sqrt(np.mean((forecast[106:] - truth[108:]) ** 2)),
              "the same as last month": np.sqrt(np.mean(np.diff(truth)[107:] ** 2))}  # fmt: skip
    run.table(["forecast of the last three years", "error (thousand passengers)"], [(k, float(v)) for k, v in errors.items()])

    run.heading("One to many: an image, spelled letter by letter")
    images, digits, images_test, digits_test, _ = run.digits(2000 if run.quick else 10_000, 1000)
    number = tasks.characters(tasks.WORDS)
    names = np.zeros((10, 7), np.int64)  # start, letters, end
    for i, word in enumerate(tasks.WORDS):
        names[i, : len(word) + 1] = [1, *(number[c] for c in word)]
    corten.manual_seed(run.seed)
    speller = Speller(images.shape[1], len(number) + 2)
    images32, test32 = images.astype(np.float32), images_test.astype(np.float32)

    def spelling_loss(m, rows):
        target = names[digits[rows]]
        out = m(corten.tensor(images32[rows]), corten.tensor(target[:, :-1]))
        return F.cross_entropy(out.reshape(-1, out.shape[-1]), corten.tensor(target[:, 1:].reshape(-1)))

    fit(speller, draw(rng, len(digits), 64, 150 if run.quick else 1500), spelling_loss)
    letters = {i: c for c, i in number.items()}
    with corten.no_grad():
        state, token, written = speller.start(corten.tensor(test32)), corten.ones(len(test32), 1, dtype=corten.int64), []
        for _ in range(6):
            out, state = speller.rnn(speller.embed(token), state)
            token = speller.out(out).argmax(-1)
            written.append(token.numpy()[:, 0])
    spelled = ["".join(letters.get(int(t), " ") for t in column).split(" ")[0] for column in np.array(written).T]
    right = float(np.mean([w == tasks.WORDS[d] for w, d in zip(spelled, digits_test, strict=True)]))
    run.say(f"spelled without a mistake: {right:.3f}; the first ten: {' '.join(spelled[:10])}")

    run.heading("Sequence to sequence: dates as people write them to dates as computers do")
    pairs, test = tasks.dates(4000 if run.quick else 20_000, rng), tasks.dates(400, rng)
    source, target = tasks.characters([a for a, _ in pairs]), tasks.characters([b for _, b in pairs])
    a = tasks.padded([[source[c] for c in text] for text, _ in pairs], 18)
    b = np.array([[1, *(target[c] for c in text)] for _, text in pairs])
    corten.manual_seed(run.seed)
    translator = Translator(len(source) + 2, len(target) + 2)

    def date_loss(m, rows):
        out = m(corten.tensor(a[rows]), corten.tensor(b[rows, :-1]))
        return F.cross_entropy(out.reshape(-1, out.shape[-1]), corten.tensor(b[rows, 1:].reshape(-1)))

    losses = fit(translator, draw(rng, len(a), 64, 150 if run.quick else 4000), date_loss, 0.006 if run.quick else 0.003)
    back = {i: c for c, i in target.items()}
    with corten.no_grad():
        x_dates = corten.tensor(tasks.padded([[source.get(c, 0) for c in text] for text, _ in test], 18))
        out = corten.ones(len(test), 1, dtype=corten.int64)
        for _ in range(10):
            out = corten.cat([out, translator(x_dates, out)[:, -1:].argmax(-1)], 1)
    answers = ["".join(back.get(int(t), "?") for t in row[1:]) for row in out.numpy()]
    exact = float(np.mean([answer == want for answer, (_, want) in zip(answers, test, strict=True)]))
    run.table(["written", "answer", "right"], [(text, answer, want) for (text, want), answer in list(zip(test, answers, strict=True))[:5]])

    figure, axes = run.subplots(1, 3, (16, 4.4), "Recurrent networks")
    for kind, v in sizes.items():
        axes[0].plot(np.arange(len(v)) - len(v) + 1, v / v[-1], label=kind)
    axes[0].set(title="Gradient of the last state by the input of step t", xlabel="steps before the last", yscale="log")
    axes[0].legend()
    axes[1].plot(truth, color="black", lw=1, label="truth")
    axes[1].plot(np.arange(2, 144), forecast, color="tab:red", lw=1, label="one month ahead")
    axes[1].axvline(108, ls="--", color="grey")
    axes[1].set(title="Airline passengers (right of the line: not seen)", xlabel="month")
    axes[1].legend()
    axes[2].plot(losses)
    axes[2].set(title="Dates: training loss", xlabel="step", yscale="log")
    run.save(figure, "rnn")

    run.metric("sentiment: best test accuracy", max(by_kind.values()), at_least=0.53 if run.quick else 0.7)
    run.metric("forecast: error over that of persistence", errors["LSTM"] / errors["the same as last month"],
               at_most=1.0 if run.quick else 0.8)  # fmt: skip
    run.metric("images spelled without a mistake", right, at_least=0.5 if run.quick else 0.9)
    run.metric("dates translated exactly", exact, at_least=None if run.quick else 0.9)
    run.metric("gradient 30 steps back, LSTM over RNN", (sizes["LSTM"][-31] / sizes["LSTM"][-1]) / (sizes["RNN"][-31] / sizes["RNN"][-1]),
               at_least=10)  # fmt: skip


if __name__ == "__main__":
    course.start(main, __file__)
