"""Reports: what they say is what scikit-learn says, they hold together, and a real browser shows them."""

import re
import shutil
import subprocess

import numpy as np
import pytest
import sklearn.metrics as judge

import corten
from corten import nn, train
from corten.train import Trainer, metrics
from corten.train.report_pictures import calibration_points
from tests.train.training import loader, mnist, network


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A short training on MNIST, its report, and what it was judged on."""
    data, held_out = mnist(3000), mnist(1000, "test")
    model = network(hidden=32)
    trainer = Trainer(model, nn.CrossEntropyLoss(), corten.optim.Adam(model.parameters(), lr=3e-3),
                      metrics={"accuracy": metrics.Accuracy()}, callbacks=[train.LearningRateMonitor()], seed=0)  # fmt: skip
    run = trainer.fit(loader(data, 64), loader(held_out, 250, shuffle=False), epochs=6)
    folder = tmp_path_factory.mktemp("report")
    return run, train.report(run, folder=folder, title="MNIST <digits>"), held_out


def test_the_page_holds_all_and_needs_nothing_else(digits):
    run, page, (x, y) = digits
    text = page.read_text()
    for name in ("curves", "confusion", "roc_pr", "calibration", "worst", "best"):
        png = page.parent / f"{name}.png"
        assert png.read_bytes().startswith(b"\x89PNG") and png.stat().st_size > 8000
        assert f'<section id="{name}">' in text
    assert text.count('src="data:image/png;base64,') == 6
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text) and "http" not in text
    assert "MNIST &lt;digits&gt;" in text and "<digits>" not in text
    logits = run.trainer.model(x).detach().numpy().astype(np.float64)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    found = {name: float(value) for value, name in re.findall(r"<b>([\d.]+)</b><span>([^<]+)</span>", text)}
    truth = y.numpy()
    assert found["accuracy"] == pytest.approx(judge.accuracy_score(truth, p.argmax(1)), abs=1e-4)
    assert found["F1, macro"] == pytest.approx(judge.f1_score(truth, p.argmax(1), average="macro"), abs=1e-4)
    assert found["log loss"] == pytest.approx(judge.log_loss(truth, p), abs=1e-4)
    assert found["ROC AUC"] == pytest.approx(judge.roc_auc_score(truth, p, multi_class="ovr"), abs=1e-4)
    bins = np.minimum((p.max(1) * 10).astype(int), 9)
    error = sum((bins == b).mean() * abs((p.argmax(1) == truth)[bins == b].mean() - p.max(1)[bins == b].mean()) for b in set(bins))
    assert found["calibration error"] == pytest.approx(error, abs=1e-4)
    assert calibration_points(p, truth)[3] == pytest.approx(error, rel=1e-9)
    assert len(re.findall("<tr>", text)) == 1 + len(run.history)


def test_a_browser_shows_it(digits, tmp_path):
    """Every picture is drawn, nothing fails, nothing is wider than the window."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium")
    shot = tmp_path / "page.png"
    # a copy that writes what the browser made of it into its title
    page = tmp_path / "page.html"
    script = ("<script>onload = () => { const i = [...document.images]; document.title = [i.length, i.filter(e => e.complete &&"
              " e.naturalWidth > 300 && e.getBoundingClientRect().width > 300).length, document.documentElement.scrollWidth <="
              " innerWidth, document.querySelectorAll('.tile').length].join(' ') }</script></body>")  # fmt: skip
    page.write_text(digits[1].read_text().replace("</body>", script))
    flags = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
             f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1120,3600"]  # fmt: skip
    done = subprocess.run([*flags, f"--screenshot={shot}", page.as_uri()], capture_output=True, timeout=90)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    from PIL import Image

    with Image.open(shot) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape == (3600, 1120, 3)
    blue = (pixels[..., 2] > pixels[..., 0] + 40).mean()  # the confusion matrix and the curves
    assert 0.01 < blue < 0.5 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 200
    dom = subprocess.run([*flags, "--dump-dom", page.as_uri()], capture_output=True, timeout=90, text=True)
    assert re.search("<title>([^<]*)</title>", dom.stdout).group(1) == "6 6 true 8"


def test_reports_of_two_classes_regressions_and_histories_alone(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 5)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    data = (corten.from_numpy(x), corten.from_numpy(y))
    model = network(5, 8, 2)
    trainer = Trainer(model, nn.CrossEntropyLoss(), corten.optim.SGD(model.parameters(), lr=0.1))
    run = trainer.fit(loader(data), epochs=2)
    text = train.report(run, loader(data), tmp_path / "two", classes=["left", "right"]).read_text()
    assert "left" in text and "<ol>" in text  # examples are numbers, not images
    with pytest.raises(ValueError, match="got 3 names of classes for 2 outputs"):
        train.report(run, loader(data), tmp_path / "names", classes=["a", "b", "c"])
    alone = train.report(run, folder=tmp_path / "alone")
    assert sorted(p.name for p in alone.parent.iterdir()) == ["curves.png", "report.html"]
    line = nn.Linear(5, 1)
    target = corten.from_numpy(x[:, :1] * 2)
    fit = Trainer(line, nn.MSELoss(), corten.optim.SGD(line.parameters(), lr=0.1)).fit([(data[0], target)], [(data[0], target)], 3)
    text = train.report(fit, folder=tmp_path / "line").read_text()
    found = {name: float(value) for value, name in re.findall(r"<b>([-\d.]+)</b><span>([^<]+)</span>", text)}
    assert found["R2"] == pytest.approx(judge.r2_score(target.numpy(), line(data[0]).detach().numpy()), abs=1e-4)
    assert (tmp_path / "line" / "predictions.png").exists() and " for " in text
