"""Image transforms: tensors against Pillow's own operations, the fused chain against the unfused one, and the loaders."""

import io
import math
import struct
import zlib

import numpy as np
import pytest

import corten
from corten.data import DataLoader, Dataset, ImageFolder
from corten.vision import transforms as T

Image = pytest.importorskip("PIL.Image")
F = T.functional


def picture(height=60, width=80, seed=0, mode="RGB"):
    """Smooth shapes and an edge."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = [128 + 100 * np.sin(7 * (a * x + b * y) + c) for a, b, c in rng.uniform(-1, 1, (3, 3))]
    pixels = np.stack(planes, -1)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = rng.uniform(0, 255, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode)


def tensor(image):
    return F.pil_to_tensor(image)


def distance(ours, pillow, border=0):
    """Largest and mean difference in parts of 255, leaving out a border."""
    a, b = ours.numpy().astype(float), F.pil_to_tensor(pillow).numpy().astype(float)
    assert a.shape == b.shape
    inner = (slice(None), slice(border, a.shape[1] - border), slice(border, a.shape[2] - border))
    return np.abs(a - b)[inner].max(), np.abs(a - b)[inner].mean()


EXACT = {
    "crop": lambda img: F.crop(img, 5, 7, 20, 30),
    "crop outside": lambda img: F.crop(img, -5, 70, 80, 30),
    "center crop": lambda img: F.center_crop(img, (21, 33)),
    "center crop larger": lambda img: F.center_crop(img, (71, 33)),
    "hflip": F.hflip,
    "vflip": F.vflip,
    "pad": lambda img: F.pad(img, (1, 2, 3, 4), fill=(10, 20, 30)),
    "pad reflect": lambda img: F.pad(img, 3, padding_mode="reflect"),
    "pad edge": lambda img: F.pad(img, (3, 1), padding_mode="edge"),
    "pad symmetric": lambda img: F.pad(img, 3, padding_mode="symmetric"),
    "invert": F.invert,
    "posterize": lambda img: F.posterize(img, 3),
    "solarize": lambda img: F.solarize(img, 100),
    "equalize": F.equalize,
}
CLOSE = {  # the tensor's is not rounded between its steps
    "resize smaller": (lambda img: F.resize(img, (25, 31)), 1.01, 0),
    "resize larger": (lambda img: F.resize(img, 90), 1.01, 0),
    "resize bicubic": (
        lambda img: F.resize(img, (25, 120), T.InterpolationMode.BICUBIC),
        12,
        0,
    ),  # Pillow cuts overshoot between its passes
    "resized crop": (lambda img: F.resized_crop(img, 5, 7, 40, 50, (32, 32)), 1.01, 0),
    "brightness": (lambda img: F.adjust_brightness(img, 1.3), 1.01, 0),
    "darker": (lambda img: F.adjust_brightness(img, 0.4), 1.01, 0),
    "contrast": (lambda img: F.adjust_contrast(img, 0.6), 1.01, 0),
    "saturation": (lambda img: F.adjust_saturation(img, 1.7), 1.01, 0),
    "grey": (lambda img: F.rgb_to_grayscale(img, 3), 1.01, 0),
    "autocontrast": (F.autocontrast, 1.01, 0),
    "sharpness": (lambda img: F.adjust_sharpness(img, 1.8), 1.01, 0),
    "gamma": (lambda img: F.adjust_gamma(img, 0.7), 1.01, 0),
    "rotate right angle": (lambda img: F.rotate(img, 180), 0.01, 0),
    "blur": (lambda img: F.gaussian_blur(img, (5, 3), 1.2), 0.01, 0),
}


@pytest.mark.parametrize("name", EXACT)
def test_tensors_as_pillow_exactly(name):
    image = picture()
    assert distance(EXACT[name](tensor(image)), EXACT[name](image))[0] == 0


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("name", CLOSE)
def test_tensors_as_pillow_closely(name, mode):
    function, most, border = CLOSE[name]
    image = picture(mode=mode)
    if mode == "L" and name in ("saturation", "grey"):
        return
    assert distance(function(tensor(image)), function(image), border)[0] <= most


WARPS = {
    "rotate": lambda img, mode: F.rotate(img, 33, mode),
    "rotate expand": lambda img, mode: F.rotate(img, -20, mode, expand=True),
    "rotate centre": lambda img, mode: F.rotate(img, 15, mode, center=(10, 20)),
    "affine": lambda img, mode: F.affine(img, 12, (3, -5), 1.2, (10, 5), mode),
    "perspective": lambda img, mode: F.perspective(
        img, [[0, 0], [79, 0], [79, 59], [0, 59]], [[5, 3], [70, 6], [75, 55], [2, 50]], mode
    ),
}


@pytest.mark.parametrize("mode", [T.InterpolationMode.NEAREST, T.InterpolationMode.BILINEAR])
@pytest.mark.parametrize("name", WARPS)
def test_warps_as_pillow(name, mode):
    """Inside: at the image's edge Pillow takes the last pixel where tensors blend with the fill, as in torchvision."""
    image = picture()
    ours, pillow = (
        WARPS[name](tensor(image), mode).numpy().astype(float),
        np.asarray(WARPS[name](image, mode)).transpose(2, 0, 1),
    )
    inside = WARPS[name](corten.full((3, 60, 80), 255, dtype=corten.uint8), mode).numpy() == 255
    difference = np.abs(ours - pillow)[inside]
    assert inside.mean() > 0.5 and difference.mean() < 0.6, difference.mean()
    if mode == T.InterpolationMode.BILINEAR:
        assert difference.max() <= 1


def test_hue_by_the_definition():
    """Turning by h: colorsys on each pixel."""
    import colorsys

    pixels = np.random.default_rng(0).uniform(0, 1, (3, 5, 7)).astype(np.float32)
    pixels[:, 0, :3] = [[0, 1, 0.5]] * 3  # greys
    for turn in (-0.5, -0.2, 0.1, 0.5):
        got = F.adjust_hue(corten.from_numpy(pixels), turn).numpy()
        for y in range(5):
            for x in range(7):
                h, s, v = colorsys.rgb_to_hsv(*pixels[:, y, x].astype(float))
                np.testing.assert_allclose(got[:, y, x], colorsys.hsv_to_rgb((h + turn) % 1, s, v), atol=2e-6)
    assert distance(F.adjust_hue(tensor(picture()), 0.2), F.adjust_hue(picture(), 0.2))[1] < 3


def test_batches_are_their_images():
    batch = corten.rand(3, 2, 3, 16, 20)
    for change in (lambda x: F.resize(x, (8, 9)), lambda x: F.rotate(x, 30), lambda x: F.adjust_hue(x, 0.1),
                   lambda x: F.adjust_contrast(x, 0.5), lambda x: F.gaussian_blur(x, 3),
                   lambda x: F.normalize(x, [0.5] * 3, [0.2, 0.3, 0.4])):  # fmt: skip
        whole = change(batch)
        np.testing.assert_allclose(whole[2, 1].numpy(), change(batch[2, 1]).numpy(), rtol=1e-5, atol=1e-6)


CHAINS = {
    "imagenet": lambda: [T.RandomResizedCrop(24), T.RandomHorizontalFlip(), T.ColorJitter(0.4, 0.4, 0.4, 0.1)],
    "crop": lambda: [T.RandomCrop(32), T.RandomHorizontalFlip(), T.ColorJitter(0.4, 0.4, 0.4)],
    "test": lambda: [T.Resize(36), T.CenterCrop(32)],
    "crop after flip": lambda: [T.RandomHorizontalFlip(1.0), T.CenterCrop((20, 30)), T.Resize((10, 11))],
    "resize twice": lambda: [T.Resize(40), T.Resize((20, 31)), T.RandomHorizontalFlip(1.0)],
    "bicubic": lambda: [T.Resize((30, 30), T.InterpolationMode.BICUBIC)],
    "nearest": lambda: [T.Resize((30, 50), T.InterpolationMode.NEAREST)],
    "nothing": list,
}
NORMALIZE = T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


@pytest.mark.parametrize("name", CHAINS)
def test_the_fused_chain_as_the_unfused_one(name):
    """The same random numbers; values differ by rounding to 8 bits between the steps, hue by Pillow's 8-bit HSV."""
    chain = T.Compose([*CHAINS[name](), T.ToTensor(), NORMALIZE])
    for seed in range(6):
        image = picture(seed=seed)
        corten.manual_seed(seed)
        assert chain._fused() >= 0
        fused = chain(image)
        corten.manual_seed(seed)
        plain = image
        for transform in chain.transforms:
            plain = transform(plain)
        assert fused.shape == plain.shape
        difference = np.abs(fused.numpy() - plain.numpy()) * 0.225 * 255
        assert difference.mean() < {"imagenet": 4, "crop": 2}.get(name, 1), difference.mean()


def test_grey_images_are_fused_too():
    chain = T.Compose([T.Resize((20, 20)), T.ColorJitter(0.5, 0.5, 0.5, 0.2), T.ToTensor(), T.Normalize([0.5], [0.5])])
    corten.manual_seed(0)
    a = chain(picture(mode="L"))
    corten.manual_seed(0)
    b = picture(mode="L")
    for transform in chain.transforms:
        b = transform(b)
    assert tuple(a.shape) == (1, 20, 20) and np.abs(a.numpy() - b.numpy()).max() < 5 / 127


def test_other_chains_are_not_fused():
    chain = T.Compose([T.Pad(2), T.ToTensor()])
    assert chain._fused() == -1 and tuple(chain(picture()).shape) == (3, 64, 84)
    assert T.Compose([T.Resize(10)])._fused() == -1
    assert T.Compose([T.RandomCrop(5, padding=1), T.ToTensor()])._fused() == -1
    assert isinstance(T.Compose([T.Resize(10)])(picture()), Image.Image)
    assert tuple(T.Compose([T.ToTensor(), T.Resize(10)])(np.zeros((20, 30, 3), np.uint8)).shape) == (3, 10, 15)


def folder_of(root, count=8, size=(200, 260), **options):
    for i in range(count):
        path = root / ("cat" if i % 2 else "dog") / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(*size, seed=i).save(path, quality=92, **options)
    return root


def test_large_jpegs_are_decoded_smaller(tmp_path):
    root = folder_of(tmp_path, 2, (700, 900))
    chain = T.Compose([T.Resize((100, 120)), T.ToTensor()])
    path = ImageFolder(root).samples[0][0]
    small, whole = chain.from_file(path), chain(Image.open(path).convert("RGB"))
    assert 0 < (small - whole).abs().mean().item() * 255 < 2
    cut = T.Compose([T.CenterCrop((600, 600)), T.Resize((75, 75)), T.ToTensor()])
    assert (cut.from_file(path) - cut(Image.open(path).convert("RGB"))).abs().mean().item() * 255 < 3


@pytest.mark.parametrize("workers", [dict(num_workers=1), dict(num_workers=3),
                                     dict(num_workers=2, multiprocessing_context="forkserver",
                                          persistent_workers=True)], ids=str)  # fmt: skip
def test_the_same_images_for_any_number_of_workers(tmp_path, workers):
    chain = T.Compose([*CHAINS["imagenet"](), T.ToTensor(), NORMALIZE, T.RandomErasing()])

    def batches(**options):
        loader = DataLoader(ImageFolder(folder_of(tmp_path), chain), 3, shuffle=True,
                            generator=corten.Generator().manual_seed(5), **options)  # fmt: skip
        return [(x.numpy(), y.tolist()) for _ in range(2) for x, y in loader]

    for (x, y), (u, v) in zip(batches(), batches(**workers), strict=True):
        assert y == v and (x == u).all()


def test_folders(tmp_path):
    data = ImageFolder(folder_of(tmp_path), target_transform=lambda t: t + 10)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1} and len(data) == 8
    assert data[0][1] == 10 and data[7][1] == 11 and data[0][0].size == (260, 200) and data.targets == [0] * 4 + [1] * 4
    assert "8 images of 2 classes" in repr(data)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty has no image"):
        ImageFolder(tmp_path)
    assert len(ImageFolder(tmp_path, allow_empty=True).classes) == 3
    with pytest.raises(FileNotFoundError, match="has no folders"):
        ImageFolder(tmp_path / "cat")


RANDOM = [
    T.RandomResizedCrop(16), T.RandomCrop(16, padding=4), T.RandomCrop(100, pad_if_needed=True), T.RandomRotation(30),
    T.RandomAffine(10, (0.1, 0.1), (0.8, 1.2), 5), T.RandomAffine(0, shear=(-5, 5, -3, 3)), T.RandomPerspective(p=1.0),
    T.ColorJitter(0.3, 0.3, 0.3, 0.1), T.RandomGrayscale(0.5), T.GaussianBlur(3), T.RandomInvert(), T.RandomAutocontrast(),
    T.RandomEqualize(), T.RandomPosterize(4), T.RandomSolarize(128), T.RandomAdjustSharpness(2.0), T.RandAugment(), T.RandAugment(3, 30),
    T.TrivialAugmentWide(), T.RandomVerticalFlip(), T.RandomApply([T.RandomVerticalFlip(1.0)]), T.FiveCrop(10),
    T.RandomChoice([T.Grayscale(3), T.Resize(10)]), T.RandomOrder([T.Resize(30), T.CenterCrop(20)]), T.TenCrop(10),
]  # fmt: skip


@pytest.mark.parametrize("transform", RANDOM, ids=lambda t: type(t).__name__)
def test_random_transforms_follow_the_seed(transform):
    as_array = lambda out: [np.asarray(o) for o in (out if isinstance(out, tuple) else (out,))]  # noqa: E731
    for image in (picture(), tensor(picture())):
        runs = []
        for seed in (1, 1, *range(2, 10)):
            corten.manual_seed(seed)
            runs.append(as_array(transform(image)))
        assert all((a == b).all() for a, b in zip(runs[0], runs[1], strict=True))
        if type(transform) not in (T.FiveCrop, T.TenCrop):
            assert any(a.shape != b.shape or (a != b).any() for run in runs for a, b in zip(runs[0], run, strict=True))
    assert type(transform).__name__ in repr(transform)


def test_random_resized_crop_spans_what_it_says():
    crop = T.RandomResizedCrop(8, scale=(0.2, 0.5), ratio=(0.5, 2.0))
    parts = [crop.get_params(picture(), crop.scale, crop.ratio) for _ in range(300)]
    shares = [h * w / 4800 for _, _, h, w in parts]
    assert 0.18 < min(shares) < 0.23 and 0.47 < max(shares) < 0.52
    assert min(w / h for *_, h, w in parts) < 0.6 and max(w / h for *_, h, w in parts) > 1.7
    assert all(0 <= t <= 60 - h and 0 <= left <= 80 - w for t, left, h, w in parts)
    assert T.RandomResizedCrop(8, scale=(1, 1), ratio=(4, 5))(picture()).size == (8, 8)


def test_erasing():
    image = corten.ones(3, 40, 40)
    corten.manual_seed(0)
    shares = [(T.RandomErasing(p=1.0)(image) == 0).float().mean().item() for _ in range(100)]
    assert min(shares) > 0.015 and 0.25 < max(shares) < 0.35 and image.amin().item() == 1
    assert (T.RandomErasing(p=1.0, value="random")(image) != 1).any()
    assert T.RandomErasing(p=1.0, value=(0.1, 0.2, 0.3))(image)[2].amin().item() == pytest.approx(0.3)
    with pytest.raises(TypeError, match="after ToTensor"):
        T.RandomErasing()(picture())


def test_mixing():
    x, y = corten.rand(4, 3, 10, 10), corten.tensor([0, 1, 2, 1])
    corten.manual_seed(3)
    mixed, labels = T.MixUp(alpha=0.4, num_classes=3)(x, y)
    share = labels[0, 0].item()
    np.testing.assert_allclose(mixed[0].numpy(), share * x[0].numpy() + (1 - share) * x[3].numpy(), rtol=1e-5)
    assert labels.sum(1).tolist() == pytest.approx([1] * 4) and labels[0, 1].item() == pytest.approx(
        1 - share, abs=1e-6
    )
    corten.manual_seed(4)
    cut, labels = T.CutMix(alpha=1.0, num_classes=3)(x, y)
    kept = (cut[0, 0] == x[0, 0]).float().mean().item()
    assert (
        0 < kept < 1 and labels[0, 0].item() == pytest.approx(kept) and (cut[0] - x[3])[cut[0] != x[0]].abs().sum() == 0
    )
    with pytest.raises(ValueError, match="num_classes"):
        T.MixUp()(x, y)


def test_conversions():
    image = picture()
    t = T.ToTensor()(image)
    assert t.dtype == corten.float32 and (t * 255).round().to(corten.uint8).tolist() == tensor(image).tolist()
    assert (np.asarray(T.ToPILImage()(t)) == np.asarray(image)).all()
    assert (np.asarray(T.ToPILImage()(tensor(image))) == np.asarray(image)).all()
    assert T.ToTensor()(np.zeros((4, 5))).dtype == corten.float64
    assert T.ToPILImage(mode="L")(corten.rand(5, 6)).size == (6, 5)
    assert set(T.PILToTensor()(image.convert("1")).reshape(-1).tolist()) == {0, 255}
    whole = T.ConvertImageDtype(corten.uint8)(corten.tensor([[[0.0, 0.5, 1.0]]]))
    assert whole.tolist() == [[[0, 127, 255]]] and F.convert_image_dtype(whole).amax().item() == 1
    np.testing.assert_allclose(NORMALIZE(t)[1].numpy(), (t[1].numpy() - 0.456) / 0.224, rtol=1e-4, atol=1e-6)
    assert T.Lambda(lambda v: v.size)(image) == (80, 60)


@pytest.mark.parametrize(
    "call, error, what",
    [
        (lambda: T.RandomCrop(100)(picture()), ValueError, "100 x 100 from an image of 60 x 80"),
        (lambda: T.Compose([T.CenterCrop(90), T.ToTensor()])(picture()), ValueError, "of an image of 60 x 80"),
        (lambda: T.Resize(0)(picture()), ValueError, "at least 1"),
        (lambda: T.Resize((1, 2, 3))(picture()), ValueError, "expected an int or two"),
        (lambda: T.Normalize([0.5], [0.0])(corten.rand(1, 2, 2)), ValueError, "zero"),
        (lambda: T.Normalize([0.5] * 2, [1.0] * 2)(corten.rand(3, 2, 2)), ValueError, "2 means"),
        (lambda: T.Normalize([0.5], [1.0])(tensor(picture())), TypeError, "floating"),
        (lambda: T.ToTensor()([1]), TypeError, "expected a Pillow image"),
        (lambda: T.ColorJitter(brightness=-1), ValueError, "brightness"),
        (lambda: T.ColorJitter(hue=0.6), ValueError, "hue"),
        (lambda: F.adjust_hue(picture(), 0.6), ValueError, "hue_factor"),
        (lambda: F.gaussian_blur(picture(), 4), ValueError, "odd"),
        (lambda: F.pad(picture(), (1, 2, 3)), ValueError, "1, 2 or 4"),
        (lambda: F.perspective(picture(), [[0, 0]] * 4, [[1, 1]] * 4), ValueError, "line"),
        (lambda: F.resize(picture(), 5, "sharp"), ValueError, "interpolation"),
        (lambda: T.RandAugment(magnitude=31), ValueError, "magnitude"),
        (lambda: F.adjust_contrast(corten.rand(2, 4, 4), 1), ValueError, "2 channels"),
    ],
)
def test_bad_arguments(call, error, what):
    with pytest.raises(error, match=what):
        call()


def test_thread_count_changes_no_bit():
    batch = corten.rand(4, 3, 70, 90)
    results = []
    for threads in (1, 2):
        before = corten.get_num_threads()
        corten.set_num_threads(threads)
        try:
            results.append([F.rotate(batch, 20, T.InterpolationMode.BILINEAR), F.adjust_contrast(batch, 0.4),
                            F.adjust_hue(batch, 0.3), F.normalize(batch, [0.1] * 3, [0.3] * 3)])  # fmt: skip
        finally:
            corten.set_num_threads(before)
    assert all((a == b).all() for a, b in zip(*results, strict=True))


def test_the_resample_kernel_in_every_layout():
    """Three bytes a pixel and one, as well as Pillow's four, against the tap formula in float64."""
    from corten.vision.transforms import _pixels

    image = picture(31, 47)
    out = np.empty((3, 13, 20), np.float32)
    _pixels.resample(image, 2, 3, 28, 40, 13, 20, "bilinear", False, out)

    def taps(n, m):
        w = np.zeros((m, n))
        for i in range(m):
            c, s = (i + 0.5) * n / m, max(n / m, 1)
            w[i] = np.maximum(0, 1 - np.abs((np.arange(n) + 0.5 - c) / s))
        return w / w.sum(1, keepdims=True)

    part = np.asarray(image).astype(float)[2:30, 3:43] / 255
    expected = np.einsum("yh,hwc,xw->cyx", taps(28, 13), part, taps(40, 20))
    np.testing.assert_allclose(out, expected, atol=1e-6)
    mirrored = np.empty_like(out)
    _pixels.resample(image, 2, 3, 28, 40, 13, 20, "bilinear", True, mirrored)
    np.testing.assert_array_equal(mirrored, out[:, :, ::-1])

    class Bytes:  # an image without Arrow export
        mode, height, width = "RGB", 31, 47
        __array_interface__ = image.__array_interface__

    other = np.empty_like(out)
    _pixels.resample(Bytes(), 2, 3, 28, 40, 13, 20, "bilinear", False, other)
    np.testing.assert_allclose(other, out, atol=1e-6)
    with pytest.raises(ValueError, match="part"):
        _pixels.resample(image, 2, 3, 30, 40, 13, 20, "bilinear", False, out)
    assert math.isfinite(float(out.sum()))


class Pair(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return T.ToTensor()(picture(seed=index)), index


def test_mixing_in_a_collate_function():
    from corten.data import default_collate

    mix = T.MixUp(alpha=1.0, num_classes=4)
    runs = [[tuple(t.numpy() for t in b) for b in DataLoader(Pair(), 2, num_workers=n, generator=corten.Generator().manual_seed(1),
             collate_fn=lambda batch: mix(*default_collate(batch)))] for n in (0, 2)]  # fmt: skip
    for (x, y), (u, v) in zip(*runs, strict=True):
        assert (x == u).all() and (y == v).all() and y.shape == (2, 4)


@pytest.mark.filterwarnings("ignore")  # Pillow's, of damage that it can read around
@pytest.mark.parametrize("seed", range(3))
def test_damaged_images_are_value_errors(tmp_path, seed):
    from corten.data import read_image

    rng = np.random.default_rng(seed)
    sources = []
    for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"):
        buffer = io.BytesIO()
        picture(17, 23).save(buffer, kind)
        sources.append((kind, buffer.getvalue()))
    for kind, content in sources:
        path = tmp_path / f"x.{kind.lower()}"
        for _ in range(12):
            damaged = bytearray(content)
            for _ in range(rng.integers(1, 8)):
                damaged[rng.integers(min(len(damaged), 200))] = rng.integers(256)
            path.write_bytes(bytes(damaged[: rng.integers(0, len(damaged) + 1)]))
            try:
                assert read_image(path).shape[0] == 3
            except ValueError as error:
                assert f"x.{kind.lower()}" in str(error)


def test_bad_images(tmp_path):
    from corten.data import open_image, read_image

    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    header = b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(1000))
    parts = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (header, pixels)]
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    picture().save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-200])
    for name in ("zero.png", "text.png", "bomb.png", "cut.jpg"):
        for read in (read_image, T.Compose([T.Resize(10), T.ToTensor()]).from_file):
            with pytest.raises(ValueError, match=rf"\[read_image\].*{name}"):
                read(tmp_path / name)
    with pytest.raises(ValueError, match="4800 pixels|more than the 100"):
        open_image(tmp_path / "whole.jpg", max_pixels=100)
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "absent.png")
    assert tuple(read_image(tmp_path / "whole.jpg", mode="L").shape) == (1, 60, 80)
