"""Autoencoders: vanilla, denoising, sparse and variational, and a walk through the latent space."""

import from_scratch as scratch
import numpy as np

import corten
from corten import nn
from corten.cli import course
from corten.learn.decomposition import PCA

F = nn.functional


def stack(*widths):
    """Linear layers with ReLU between them."""
    layers = []
    for a, b in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Autoencoder(nn.Module):
    """Pixels to a code and back."""

    def __init__(self, pixels, code, hidden=256):
        super().__init__()
        self.encoder, self.decoder = stack(pixels, hidden, code), stack(code, hidden, pixels)

    def forward(self, x):
        z = self.encoder(x)
        return corten.sigmoid(self.decoder(z)), z


class Variational(nn.Module):
    """The encoder gives a cloud, mean and logarithm of the variance; the decoder sees a point of it."""

    def __init__(self, pixels, code, hidden=256):
        super().__init__()
        self.encoder, self.decoder = stack(pixels, hidden, 2 * code), stack(code, hidden, pixels)

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean + corten.randn_like(mean) * (log_variance / 2).exp()  # the draw is outside: gradients reach mean and variance
        return self.decoder(z), mean, log_variance


def bound(model, x):
    """The negative of the evidence lower bound: nats to describe the picture, and nats to describe the code."""
    logits, mean, log_variance = model(x)
    pixels = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    code = 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance).sum()
    return (pixels + code) / len(x)


def fit(run, model, x, steps, loss_of, lr=0.002, batch=128):
    """Adam; the losses."""
    optimizer, rng, losses = corten.optim.Adam(model.parameters(), lr=lr), np.random.default_rng(run.seed), []
    for _ in range(steps):
        rows = x[rng.integers(0, len(x), batch)]
        optimizer.zero_grad()
        loss = loss_of(model, rows)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main(run):
    """Autoencoders by hand and with Corten: against PCA, against noise, sparse, variational with a latent walk."""
    rng = np.random.default_rng(run.seed)
    x, y, x_test, y_test, side = run.digits(2000 if run.quick else 20_000, 1000)
    x, x_test, pixels = x.astype(np.float32), x_test.astype(np.float32), side * side
    steps, code = (150 if run.quick else 1500), 16
    t_test = corten.tensor(x_test)

    run.heading("One hidden layer by hand and with Corten, in float64")
    corten.manual_seed(run.seed)
    model = nn.Sequential(nn.Linear(pixels, 32), nn.Tanh(), nn.Linear(32, pixels), nn.Sigmoid()).to(corten.float64)
    weights = [p.detach().numpy().copy() for p in model.parameters()]
    batches = [x[rng.integers(0, len(x), 64)].astype(np.float64) for _ in range(30)]
    by_hand, t_scratch = run.time(lambda: [scratch.step(b, weights, 1.0) for b in batches])
    optimizer, tensors = corten.optim.SGD(model.parameters(), lr=1.0), [corten.tensor(b) for b in batches]

    def ours():
        losses = []
        for b in tensors:
            optimizer.zero_grad()
            loss = F.mse_loss(model(b), b)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    by_corten, t_corten = run.time(ours)
    run.agree("loss of each step", by_hand, by_corten, atol=1e-10)
    run.agree("weights after them", weights[0], model[0].weight.detach().numpy(), atol=1e-10)
    run.faster("30 steps", t_scratch, t_corten)

    run.heading(f"{code} numbers a picture: an autoencoder against PCA")
    corten.manual_seed(run.seed)
    vanilla = Autoencoder(pixels, code)
    fit(run, vanilla, x, steps, lambda m, b: F.mse_loss(m(corten.tensor(b))[0], corten.tensor(b)))
    with corten.no_grad():
        rebuilt = vanilla(t_test)[0].numpy()
    pca = PCA(code).fit(x)
    linear = pca.inverse_transform(pca.transform(x_test))
    errors = {"PCA": float(np.mean((linear - x_test) ** 2)), "autoencoder": float(np.mean((rebuilt - x_test) ** 2))}

    run.heading("Denoising: noise in, the clean picture asked for")
    noisy = (x_test + rng.normal(0, 0.5, x_test.shape)).astype(np.float32)
    corten.manual_seed(run.seed)
    denoiser = Autoencoder(pixels, 64)
    noise = np.random.default_rng(run.seed + 1)
    fit(run, denoiser, x, steps, lambda m, b: F.mse_loss(
        m(corten.tensor((b + noise.normal(0, 0.5, b.shape)).astype(np.float32)))[0], corten.tensor(b)))  # fmt: skip
    with corten.no_grad():
        cleaned = denoiser(corten.tensor(noisy))[0].numpy()
    pca64 = PCA(min(64, pixels - 1)).fit(x)
    by_pca = pca64.inverse_transform(pca64.transform(noisy))
    denoised = {"noise": float(np.mean((noisy - x_test) ** 2)), "PCA": float(np.mean((by_pca - x_test) ** 2)),
                "denoising autoencoder": float(np.mean((cleaned - x_test) ** 2))}  # fmt: skip

    run.heading("Sparse: many units, few of them awake")

    class Sparse(Autoencoder):
        def forward(self, v):
            z = corten.relu(self.encoder(v))
            return corten.sigmoid(self.decoder(z)), z

    awake = {}
    for weight in (0.0, 0.01):
        corten.manual_seed(run.seed)
        model = Sparse(pixels, 128)

        def loss_of(m, b, weight=weight):
            t = corten.tensor(b)
            out, z = m(t)
            return F.mse_loss(out, t) + weight * z.abs().mean()

        fit(run, model, x, steps, loss_of)
        with corten.no_grad():
            out, z = model(t_test)
        awake[weight] = (float((z.numpy() > 1e-3).mean()), float(np.mean((out.numpy() - x_test) ** 2)))
    run.table(["model", "mean squared error"], [*errors.items(), *((f"denoise: {k}", v) for k, v in denoised.items())])
    run.table(["penalty", "share of units awake", "mean squared error"], [(f"{w:g}", *v) for w, v in awake.items()])

    run.heading("Variational: a code that can be drawn from")
    corten.manual_seed(run.seed)
    vae = Variational(pixels, 2)
    losses = fit(run, vae, x, 2 * steps, lambda m, b: bound(m, corten.tensor(b)))
    with corten.no_grad():
        test_bound = bound(vae, t_test).item()
        _, mean, log_variance = vae(t_test)
        ours_kl = 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance).sum(1).numpy()
        run.agree("divergence of the codes", scratch.kl_to_standard_normal(mean.numpy(), log_variance.numpy()), ours_kl, atol=1e-3)
        grid = np.stack(np.meshgrid(np.linspace(-2, 2, 12), np.linspace(2, -2, 12)), -1).reshape(-1, 2).astype(np.float32)
        walk = corten.sigmoid(vae.decoder(corten.tensor(grid))).numpy()
    p = np.clip(x.mean(axis=0), 1e-4, 1 - 1e-4)
    alone = float(-np.mean(np.sum(x_test * np.log(p) + (1 - x_test) * np.log(1 - p), axis=1)))
    run.say(f"nats a picture: {test_bound:.1f} with two numbers, {alone:.1f} with each pixel's mean alone")

    figure, axes = run.subplots(5, 10, (12, 6.4), f"Pictures; PCA and autoencoder with {code} numbers; noisy; denoised")
    for row, images in zip(axes, (x_test, linear, rebuilt, noisy, cleaned), strict=True):
        for axis, image in zip(row, images[:10], strict=True):
            axis.imshow(image.reshape(side, side), cmap="gray", vmin=0, vmax=1)
            axis.axis("off")
    run.save(figure, "rebuilt")
    figure, axes = run.subplots(1, 3, (16, 5.2), "A variational autoencoder with two numbers a picture")
    axes[0].plot(losses)
    axes[0].set(title="Negative bound (nats)", xlabel="step")
    for digit in range(10):
        axes[1].scatter(*mean.numpy()[y_test == digit].T, s=6, color=f"C{digit}", label=str(digit))
    axes[1].legend(markerscale=2, fontsize="small", ncols=2)
    axes[1].set(title="Where the test digits lie", xlim=(-4, 4), ylim=(-4, 4))
    axes[2].imshow(walk.reshape(12, 12, side, side).transpose(0, 2, 1, 3).reshape(12 * side, 12 * side), cmap="gray")
    axes[2].set(title="A walk from (-2, 2) to (2, -2)", xticks=[], yticks=[])
    run.save(figure, "latent")

    run.metric("error of the autoencoder over that of PCA", errors["autoencoder"] / errors["PCA"],
               at_most=1.6 if run.quick or side != 28 else 0.75)  # fmt: skip
    run.metric("error left by the denoising autoencoder over that of PCA", denoised["denoising autoencoder"] / denoised["PCA"],
               at_most=1.2 if run.quick or side != 28 else 0.7)  # fmt: skip
    run.metric("share of units awake in the sparse one", awake[0.01][0], at_most=0.5 if run.quick else 0.3)
    run.metric("bound of the variational one over pixels alone", test_bound / alone, at_most=1.0 if run.quick else 0.85)


if __name__ == "__main__":
    course.start(main, __file__)
