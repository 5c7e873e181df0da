"""The peer of row D1: torchvision's transforms of Pillow images, written out with Pillow and PyTorch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np


class Images:
    """A folder for each class, the usual training transforms."""

    def __init__(self, root: Path, crop: str, mean: list[float], std: list[float]) -> None:
        import torch

        self.classes = sorted(p.name for p in root.iterdir())
        self.samples = [(str(p), k) for k, name in enumerate(self.classes) for p in sorted((root / name).iterdir())]
        self.crop = crop
        self.mean, self.std = (torch.tensor(v).view(-1, 1, 1) for v in (mean, std))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        path, target = self.samples[index]
        with open(path, "rb") as file:
            image = Image.open(file).convert("RGB")
        image = self.resized_crop(image) if self.crop == "resized" else self.random_crop(image)
        if self.uniform(0, 1) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return self.normalised(self.jittered(image)), target

    @property
    def torch(self) -> Any:
        """The module, which cannot be pickled with the rest for a worker."""
        import torch

        return torch

    def uniform(self, low: float, high: float) -> float:
        """A number from PyTorch's generator."""
        return float(self.torch.empty(1).uniform_(low, high))

    def random_crop(self, image: Any) -> Any:
        """224 x 224 somewhere."""
        left = int(self.torch.randint(0, image.width - 224 + 1, (1,)))
        top = int(self.torch.randint(0, image.height - 224 + 1, (1,)))
        return image.crop((left, top, left + 224, top + 224))

    def resized_crop(self, image: Any) -> Any:
        """8 to 100 % of the area, resized to 224 x 224."""
        from PIL import Image

        width, height = image.size
        for _ in range(10):
            area = width * height * self.uniform(0.08, 1.0)
            ratio = math.exp(self.uniform(math.log(3 / 4), math.log(4 / 3)))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                top = int(self.torch.randint(0, height - h + 1, (1,)))
                left = int(self.torch.randint(0, width - w + 1, (1,)))
                break
        else:
            w, h = min(width, round(height * 4 / 3)), height
            top, left = (height - h) // 2, (width - w) // 2
        return image.crop((left, top, left + w, top + h)).resize((224, 224), Image.Resampling.BILINEAR)

    def jittered(self, image: Any) -> Any:
        """Brightness, contrast and saturation by up to 0.4, hue by up to 0.1, in random order."""
        from PIL import Image, ImageEnhance

        factors = [self.uniform(0.6, 1.4), self.uniform(0.6, 1.4), self.uniform(0.6, 1.4), self.uniform(-0.1, 0.1)]
        for step in self.torch.randperm(4).tolist():
            if step < 3:
                kind = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[step]
                image = kind(image).enhance(factors[step])
            else:
                h, s, v = image.convert("HSV").split()
                turned = np.array(h, dtype=np.uint8) + np.array(int(factors[3] * 255)).astype(np.uint8)
                image = Image.merge("HSV", (Image.fromarray(turned, "L"), s, v)).convert("RGB")
        return image

    def normalised(self, image: Any) -> Any:
        """float32 (3, 224, 224) of about zero mean and unit deviation."""
        t = self.torch.from_numpy(np.array(image, copy=True)).view(image.height, image.width, 3)
        x = t.permute(2, 0, 1).contiguous().to(self.torch.float32).div(255)
        return x.sub_(self.mean).div_(self.std)
