"""``corten predict``: the class of images of every kind, and an error for what is none."""

import io
import json
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from typer.testing import CliRunner

import corten as framework
from corten.cli import images
from corten.cli.app import app
from corten.data.datasets import Digits
from corten.train.classifier_file import Description, load
from tests.cli.process import corten

MNIST = Description("mnist", tuple("0123456789"), 28, 28, 255.0, 0.0, 1.0, (64,))


def predict(model, *arguments):
    return CliRunner().invoke(app, ["predict", str(model), *map(str, arguments)])


def test_rows_and_images_of_the_data_set_give_what_the_model_gives(trained, tmp_path):
    model, _ = load(trained / "model.safetensors")
    data = Digits(train=False, flatten=True)
    pixels = data.data.numpy()[:5]
    with framework.no_grad():
        x = framework.stack([data[i][0] for i in range(5)])
        expected = framework.nn.functional.softmax(model(x), dim=1).numpy()
    (tmp_path / "rows.csv").write_text("\n".join(",".join(map(str, p.ravel())) for p in pixels))
    row = ",".join(map(str, pixels[0].ravel()))
    for run in (trained, trained / "model.safetensors"):
        done = predict(run, "--json", tmp_path / "rows.csv", row)
        assert done.exit_code == 0, done.output
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line["image"] for line in lines[:2]] == [f"{tmp_path}/rows.csv:1", f"{tmp_path}/rows.csv:2"]
        found = np.array([list(line["probabilities"].values()) for line in lines])
        np.testing.assert_allclose(found[:5], expected, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found[5], expected[0], rtol=1e-5, atol=1e-7)
        assert [int(line["class"]) for line in lines[:5]] == expected.argmax(1).tolist()
    text = predict(trained, row).stdout
    assert text.startswith("row: ") and text.count(" %") == 10


def test_an_image_of_the_models_size_is_taken_pixel_by_pixel(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 120, (28, 28), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    [(name, found)] = images.read(str(tmp_path / "a.png"), MNIST, "auto")
    np.testing.assert_allclose(found, pixels, atol=1e-4)
    [(name, found)] = images.read(str(tmp_path / "a.png"), MNIST, "yes")
    np.testing.assert_allclose(found, 255 - pixels.astype(float), atol=1e-4)


def seven(size=(300, 200), ink="black", paper="white", mode="RGB", at=(90, 40), scale=1.0):
    image = Image.new(mode, size, paper)
    points = [(at[0] + scale * x, at[1] + scale * y) for x, y in ((0, 0), (80, 0), (30, 120))]
    ImageDraw.Draw(image).line(points, fill=ink, width=int(14 * scale))
    return image


VARIANTS = {
    "dark.png": lambda: seven(ink="white", paper="black"),
    "grey.png": lambda: seven().convert("L"),
    "palette.png": lambda: seven().convert("P"),
    "bit.png": lambda: seven().convert("1"),
    "sixteen.png": lambda: Image.fromarray(np.asarray(seven().convert("L")).astype(np.uint16) * 257),
    "clear.png": lambda: seven(mode="RGBA", paper=(0, 0, 0, 0), ink=(0, 0, 0, 255)),
    "photo.jpg": lambda: seven(),
    "moved.png": lambda: seven(at=(10, 60)),
    "large.png": lambda: seven(size=(1500, 1000), at=(500, 100), scale=5),
    "small.png": lambda: seven(size=(100, 70), at=(40, 10), scale=0.4),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_size_place_polarity_and_format_do_not_matter(tmp_path, name):
    seven().save(tmp_path / "plain.png")
    VARIANTS[name]().save(tmp_path / name)
    expected = images.read(str(tmp_path / "plain.png"), MNIST, "auto")[0][1]
    found = images.read(str(tmp_path / name), MNIST, "auto")[0][1]
    assert found.shape == (28, 28) and found.dtype == np.float32 and 0 <= found.min() <= found.max() <= 255
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > (0.93 if name == "small.png" else 0.97)
    ink = np.argwhere(found > 64)
    assert (np.ptp(ink, axis=0).max() + 1) in (19, 20, 21)  # the box of MNIST
    weight = found / found.sum()
    centre = [(weight.sum(axis) * np.arange(28)).sum() for axis in (1, 0)]
    assert np.abs(np.array(centre) - 13.5).max() < 1  # its centre of mass


def test_clothing_is_scaled_as_a_whole(tmp_path):
    description = Description("fashion", ("a", "b"), 28, 28, 255.0, 0.0, 1.0, ())
    grey = np.zeros((56, 112), np.float32)
    grey[:, 50:60] = 1
    found = images.fit(grey, description, "no")
    assert found.shape == (28, 28) and not found[:7].any() and not found[21:].any() and found[14, 13] > 200


def png(image=None):
    content = io.BytesIO()
    (image or seven()).save(content, "png")
    return content.getvalue()


BAD = {
    "empty.png": (b"", "empty"),
    "text.png": (b"hello", "not an image"),
    "cut.png": (png()[:200], "cut.png"),
    "header.png": (png()[:20], "header.png"),
    "cut.jpg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "cut.jpg"),
    "blank.png": (png(Image.new("L", (50, 50))), "blank"),
    "bomb.png": (
        png(Image.new("1", (40, 40))).replace((40).to_bytes(4, "big") * 2, (60000).to_bytes(4, "big") * 2),
        "bomb.png",
    ),
    "short.csv": (b"1,2,3\n", "expected 64 pixels"),
    "none.csv": (b"\n\n", "no rows"),
    "words.csv": (b"a,b\n" + b"x," * 63 + b"1\n", "could not convert"),
    "range.csv": (b"17," * 63 + b"0\n", "a pixel is 17"),
    "nan.csv": (b"nan," * 63 + b"0\n", "a pixel is nan"),
    "binary.csv": (b"\xff\xfe\x00\x01", "not a CSV"),
    "nul.csv": (b"1,\0,2", "nul.csv"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_do_not_keep_the_others_back(trained, tmp_path, name):
    content, what = BAD[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.png").write_bytes(png())
    done = predict(trained, tmp_path / name, tmp_path / "good.png")
    assert done.exit_code == 1 and what in done.stderr and name in done.stderr, done.output
    assert done.stdout.startswith(f"{tmp_path}/good.png: ")
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_missing_things(trained, tmp_path):
    assert "No such file" in predict(trained, tmp_path / "none.png").stderr
    assert "is a directory" in predict(trained, tmp_path).stderr.lower()
    assert "No such file" in predict(tmp_path / "none", "1,2").stderr
    assert "No such file" in predict(tmp_path, "1,2").stderr
    assert "expected 64 pixels" in predict(trained, "1,2").stderr
    assert CliRunner().invoke(app, ["predict"]).exit_code == 2
    done = corten("predict", tmp_path / "none", "1,2", code=1)
    assert done.stderr.startswith("error: ") and done.stdout == ""


def test_corrupt_models_are_refused(trained, tmp_path):
    content = (trained / "model.safetensors").read_bytes()
    changed = content.replace(b"corten-image-classifier", b"corten-other-classifier")
    wide = content.replace(rb"\"hidden\": [64]", rb"\"hidden\": [63]")
    assert changed != content and wide != content
    for i, bad in enumerate([b"", b"x", content[:7], content[:100], content[:-1], content + b"x", changed, wide,
                             b"\xff" * 100, (2**62).to_bytes(8, "little") + content[8:], png()]):  # fmt: skip
        path = tmp_path / f"{i}.safetensors"
        path.write_bytes(bad)
        done = predict(path, "1,2")
        assert done.exit_code == 1 and done.stderr.startswith("error: [load]"), (i, done.output, done.exception)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 3000), value=st.integers(0, 255))
def test_no_changed_byte_in_a_model_crashes(trained, tmp_path, position, value):
    content = bytearray((trained / "model.safetensors").read_bytes())
    content[position] = value
    path = tmp_path / "changed.safetensors"
    path.write_bytes(content)
    try:
        load(path)
    except ValueError as error:
        assert "changed.safetensors" in str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 500), value=st.integers(0, 255), name=st.sampled_from(["x.png", "x.jpg", "x.csv"]))
def test_no_changed_byte_in_an_image_crashes(tmp_path, position, value, name):
    kind = {"x.png": "png", "x.jpg": "jpeg"}.get(name)
    if kind:
        buffer = io.BytesIO()
        seven().save(buffer, kind)
        content = bytearray(buffer.getvalue())
    else:
        content = bytearray(b"0,1," * 392)
    content[position] = value
    (tmp_path / name).write_bytes(content)
    try:
        [(_, pixels)] = images.read(str(tmp_path / name), MNIST, "auto")
        assert pixels.shape == (28, 28)
    except ValueError:
        pass


def test_a_run_without_its_model(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run/model.safetensors").unlink()
    assert predict(tmp_path / "run", "1,2").exit_code == 1
