"""Generative adversarial networks: a ring of modes, digits by DCGAN, digits on demand, and Wasserstein with a penalty."""

import from_scratch as scratch
import numpy as np

import corten
from corten import nn
from corten.cli import course

F = nn.functional


def dense(inputs, hidden, outputs, depth=2):
    """Linear layers with leaky ReLU."""
    layers = [nn.Linear(inputs, hidden), nn.LeakyReLU(0.2)]
    for _ in range(depth - 1):
        layers += [nn.Linear(hidden, hidden), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs))


class Painter(nn.Module):
    """Noise (and a class) to a picture, by transposed convolutions."""

    def __init__(self, noise, side, classes=0, width=32):
        super().__init__()
        self.small, self.width = side // 4, width
        self.first = nn.Linear(noise + classes, 2 * width * self.small**2)
        self.norm = nn.BatchNorm2d(2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.up2 = nn.ConvTranspose2d(width, 1, 4, 2, 1)

    def forward(self, z):
        h = self.first(z).reshape(len(z), 2 * self.width, self.small, self.small)
        h = corten.relu(self.norm1(self.up1(corten.relu(self.norm(h)))))
        return corten.tanh(self.up2(h))


class Critic(nn.Module):
    """A picture (and a class, as planes) to a score, by strided convolutions."""

    def __init__(self, side, classes=0, width=32):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1 + classes, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 2 * width, 4, 2, 1),
                                  nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(2 * width * (side // 4) ** 2, 1))  # fmt: skip

    def forward(self, x):
        return self.body(x)


def adam(model, lr):
    """Adam with little memory of the direction: the other network moves the target."""
    return corten.optim.Adam(model.parameters(), lr=lr, betas=(0.5, 0.999))


def play(g, d, batches, noise_of, lr, real_of=lambda b: b, join=lambda x, b: x):
    """Both in turn with the non-saturating loss; their losses."""
    step_g, step_d, history = adam(g, lr), adam(d, lr), []
    for batch in batches:
        real, z = real_of(batch), noise_of(batch)
        fake = g(z)
        score_real, score_fake = d(join(real, batch)), d(join(fake.detach(), batch))
        loss_d = F.softplus(-score_real).mean() + F.softplus(score_fake).mean()
        step_d.zero_grad()
        loss_d.backward()
        step_d.step()
        loss_g = F.softplus(-d(join(fake, batch))).mean()
        step_g.zero_grad()
        loss_g.backward()
        step_g.step()
        history.append((loss_d.item(), loss_g.item()))
    return np.array(history)


def wasserstein(g, c, batches, noise, lr=0.002, rounds=3, penalty=1.0):
    """The critic estimates a distance; its slope is held near 1 by a penalty on its gradient, a second derivative in training."""
    step_g, step_c, distances = adam(g, lr), adam(c, lr), []
    for i, real in enumerate(batches):
        z = corten.randn(len(real), noise)
        fake = g(z).detach()
        mix = corten.rand(len(real), 1)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        (slope,) = corten.autograd.grad(c(between).sum(), [between], create_graph=True)
        gap = c(real).mean() - c(fake).mean()
        loss = -gap + penalty * (((slope**2).sum(1) + 1e-12).sqrt() - 1).pow(2).mean()
        step_c.zero_grad()
        loss.backward()
        step_c.step()
        distances.append(gap.item())
        if i % rounds == rounds - 1:
            step_g.zero_grad()
            (-c(g(corten.randn(len(real), noise))).mean()).backward()
            step_g.step()
    return distances


def judge(x, y, seed, steps):
    """A classifier of real digits that judges made ones."""
    corten.manual_seed(seed)
    model, rng = nn.Sequential(nn.Flatten(), nn.Linear(x[0].size, 128), nn.ReLU(), nn.Linear(128, 10)), np.random.default_rng(seed)
    optimizer = corten.optim.Adam(model.parameters(), lr=0.002)
    for _ in range(steps):
        rows = rng.integers(0, len(y), 128)
        optimizer.zero_grad()
        F.cross_entropy(model(corten.tensor(x[rows])), corten.tensor(y[rows])).backward()
        optimizer.step()
    return model


def main(run):
    """GANs by hand and with Corten: mode coverage on a ring, DCGAN and conditional digits, Wasserstein with gradient penalty."""
    rng = np.random.default_rng(run.seed)

    run.heading("Both networks by hand and with Corten, in float64")
    corten.manual_seed(run.seed)
    g, d = (nn.Sequential(nn.Linear(a, 32), nn.LeakyReLU(0.2), nn.Linear(32, b)).to(corten.float64) for a, b in ((4, 2), (2, 1)))
    wg, wd = ([p.detach().numpy().copy() for p in m.parameters()] for m in (g, d))
    rounds = [(scratch.mixture(64, rng)[0], rng.normal(size=(64, 4))) for _ in range(40)]
    by_hand, t_scratch = run.time(lambda: [(scratch.discriminator_step(x, z, wg, wd, 0.05), scratch.generator_step(z, wg, wd, 0.05))
                                           for x, z in rounds])  # fmt: skip
    step_g, step_d = corten.optim.SGD(g.parameters(), lr=0.05), corten.optim.SGD(d.parameters(), lr=0.05)
    tensors = [(corten.tensor(x), corten.tensor(z)) for x, z in rounds]

    def ours():
        losses = []
        for x, z in tensors:
            step_d.zero_grad()
            loss_d = F.softplus(-d(x)).mean() + F.softplus(d(g(z).detach())).mean()
            loss_d.backward()
            step_d.step()
            step_g.zero_grad()
            loss_g = F.softplus(-d(g(z))).mean()
            loss_g.backward()
            step_g.step()
            losses.append((loss_d.item(), loss_g.item()))
        return losses

    by_corten, t_corten = run.time(ours)
    run.agree("losses of both players in 40 rounds", by_hand, by_corten, atol=1e-9)
    run.agree("the generator's weights after them", wg[0], g[0].weight.detach().numpy(), atol=1e-9)
    run.faster("40 rounds", t_scratch, t_corten)

    run.heading("A ring of eight modes")
    steps = 600 if run.quick else 4000
    rings = {}
    for kind in ("non-saturating", "Wasserstein, gradient penalty"):
        corten.manual_seed(run.seed)
        g, d = dense(8, 96, 2), dense(2, 96, 1)
        points = [corten.tensor(scratch.mixture(256, rng)[0].astype(np.float32)) for _ in range(steps)]
        if kind == "non-saturating":
            play(g, d, points, lambda b: corten.randn(len(b), 8), 0.001)
        else:
            wasserstein(g, d, points, 8)
        with corten.no_grad():
            rings[kind] = g(corten.randn(2000, 8)).numpy()
    truth, centres = scratch.mixture(2000, rng)
    covered = {kind: scratch.coverage(p, centres) for kind, p in rings.items()}
    run.table(["loss", "modes of 8", "points near a mode"], [(k, *v) for k, v in covered.items()])

    run.heading("Digits by a DCGAN, and digits on demand")
    x, y, _, _, side = run.digits(2000 if run.quick else 12_000, 100)
    x = (2 * x - 1).astype(np.float32).reshape(-1, 1, side, side)
    critic_of_fakes = judge(x, y, run.seed, 200 if run.quick else 600)
    width, rounds = (8, 40) if run.quick else (24, 700)
    batches = [rng.integers(0, len(y), 64) for _ in range(rounds)]
    corten.manual_seed(run.seed)
    g, d = Painter(32, side, width=width), Critic(side, width=width)
    history = play(g, d, batches, lambda rows: corten.randn(len(rows), 32), 0.001, lambda rows: corten.tensor(x[rows]))
    corten.manual_seed(run.seed)
    cg, cd = Painter(32, side, 10, width), Critic(side, 10, width)

    def labels(rows):
        return F.one_hot(corten.tensor(y[rows]), 10).to(corten.float32)

    def planes(images, rows):
        hot = labels(rows).reshape(len(rows), 10, 1, 1)
        return corten.cat([images, hot.expand(len(rows), 10, side, side)], 1)

    play(cg, cd, batches, lambda rows: corten.cat([corten.randn(len(rows), 32), labels(rows)], 1), 0.001,
         lambda rows: corten.tensor(x[rows]), planes)  # fmt: skip
    wanted = np.repeat(np.arange(10), 20)
    with corten.no_grad():
        made = g(corten.randn(200, 32)).numpy()
        asked = cg(corten.cat([corten.randn(200, 32), F.one_hot(corten.tensor(wanted), 10).to(corten.float32)], 1)).numpy()
        p = corten.softmax(critic_of_fakes(corten.tensor(made)), 1).numpy()
        obeyed = float(np.mean(critic_of_fakes(corten.tensor(asked)).argmax(1).numpy() == wanted))
    sure = float(np.mean(p.max(axis=1) > 0.9))
    kinds = len(np.unique(p.argmax(axis=1)))
    run.table(["measure", "value"], [("DCGAN: digits the judge is sure of", sure), ("DCGAN: different digits in 200", kinds),
                                     ("conditional: the digit that was asked for", obeyed)])  # fmt: skip

    figure, axes = run.subplots(1, 4, (17, 4.4), "Adversarial networks")
    for axis, (name, points) in zip(axes, [("truth", truth), *rings.items()], strict=False):
        axis.scatter(*points.T, s=3, alpha=0.4)
        axis.plot(*centres.T, "k+", ms=8)
        axis.set(title=name if name == "truth" else f"{name}: {covered[name][0]} of 8", xlim=(-3, 3), ylim=(-3, 3))
    axes[3].plot(history[:, 0], label="discriminator")
    axes[3].plot(history[:, 1], label="generator")
    axes[3].set(title="DCGAN: both losses", xlabel="round")
    axes[3].legend()
    run.save(figure, "ring")
    figure, (left, right) = run.subplots(1, 2, (12, 6), "Made digits")
    ordered = asked.reshape(10, 20, side, side)[:, :10]
    for axis, images, title in ((left, made[:100], "DCGAN"), (right, ordered, "asked for 0 to 9, row by row")):
        grid = images.reshape(10, 10, side, side).transpose(0, 2, 1, 3).reshape(10 * side, 10 * side)
        axis.imshow(grid, cmap="gray")
        axis.set_title(title)
        axis.axis("off")
    run.save(figure, "digits")

    run.metric("modes covered, non-saturating", covered["non-saturating"][0], at_least=1 if run.quick else 6)
    run.metric("modes covered, Wasserstein", covered["Wasserstein, gradient penalty"][0], at_least=None if run.quick else 7)
    run.metric("conditional: share of digits that were asked for", obeyed, at_least=None if run.quick else 0.7)
    run.metric("DCGAN: different digits in 200", kinds, at_least=2 if run.quick else 8)


if __name__ == "__main__":
    course.start(main, __file__)
