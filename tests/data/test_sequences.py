"""Windows of series and changes of sequences."""

import numpy as np
import pytest

import corten
from corten.data import DataLoader, sequences


def test_windows_as_numpy_has_them():
    series = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    for length, horizon, stride in ((5, 1, 1), (7, 3, 2), (50, 0, 1)):
        data = sequences.Windows(corten.from_numpy(series), length, horizon, stride)
        views = np.lib.stride_tricks.sliding_window_view(series, length + horizon, axis=0)[::stride].transpose(0, 2, 1)
        assert len(data) == len(views)
        for got in (next(iter(DataLoader(data, len(data)))), [corten.stack(list(c)) for c in zip(*data, strict=True)]):
            np.testing.assert_array_equal(got[0].numpy(), views[:, :length])
            assert horizon == 0 or (got[1].numpy() == views[:, length:]).all()
    one = sequences.Windows(corten.from_numpy(series), 4, 2, target=1)
    assert one[-1][1].tolist() == series[-2:, 1].tolist() == one.take(corten.tensor([len(one) - 1]))[1][0].tolist()


@pytest.mark.parametrize("options, what", [(dict(length=6), "at least 7"), (dict(length=0), ">= 1"),
                                           (dict(length=2, target=0), "target")])  # fmt: skip
def test_bad_windows(options, what):
    with pytest.raises(ValueError, match=what):
        sequences.Windows(corten.arange(6), **options)
    with pytest.raises(IndexError):
        sequences.Windows(corten.arange(6), 3)[3]


def test_changes():
    x = corten.ones(400, 50)
    corten.manual_seed(0)
    noise = (sequences.Jitter(0.5)(x) - 1).numpy()
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 0.5) < 0.02
    scaled = sequences.Scaling(0.2)(x)
    assert (scaled == scaled[0]).all() and 0.1 < scaled[0].std().item() < 0.3
    stretch = sequences.RandomWindow(3)(corten.arange(10))
    assert stretch.tolist() == list(range(stretch[0].item(), stretch[0].item() + 3))
    widths = [int((sequences.TimeMask(20)(x)[:, 0] == 0).sum().item()) for _ in range(60)]
    assert min(widths) < 4 and 16 < max(widths) <= 20 and x.amin().item() == 1
    with pytest.raises(ValueError, match="2 steps"):
        sequences.RandomWindow(3)(corten.arange(2))


def test_the_same_for_any_number_of_workers():
    data = [corten.ones(5)] * 12
    change = sequences.Jitter(1.0)
    runs = [corten.cat(list(DataLoader(Changed(data, change), 4, num_workers=n,
            generator=corten.Generator().manual_seed(3)))) for n in (0, 3)]  # fmt: skip
    assert (runs[0] == runs[1]).all() and len({tuple(r) for r in runs[0].tolist()}) == 12


class Changed(corten.data.Dataset):
    def __init__(self, data, change):
        self.data, self.change = data, change

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.change(self.data[index])
