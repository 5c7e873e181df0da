"""The counter-based generator: the published words of Philox, distributions, independence of threads."""

import numpy as np
import pytest
from scipy import stats

import corten


def philox(counter, key):
    """Philox4x32-10 after Salmon et al. 2011, on arrays of counters (4, n)."""
    c = [np.asarray(x, np.uint64) for x in counter]
    k0, k1 = (int(k) for k in key)
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p, q = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(q >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), q & low, (p >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.array(c)


@pytest.mark.parametrize(
    "counter, key, words",
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0],
         [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
    ],
)  # fmt: skip
def test_reference_gives_the_published_words(counter, key, words):
    assert philox(counter, key).tolist() == words


def test_uniform_is_philox():
    """Block b of 64 floats: word w of counters 16 b ... 16 b + 15 is elements 16 w ... 16 w + 15."""
    seed, n = 0x1234_5678_9ABC, 64 * 7 + 5
    g = corten.Generator().manual_seed(seed)
    call = g.next_call()[1] + 1
    got = corten.rand(n, generator=g).numpy()
    blocks = 8
    counters = np.arange(16 * blocks)
    words = philox([counters, counters * 0, counters * 0 + call, counters * 0], [seed & 0xFFFFFFFF, seed >> 32])
    want = words.reshape(4, blocks, 16).transpose(1, 0, 2).reshape(-1)[:n]
    assert np.array_equal(got, ((want >> np.uint64(8)) * 2.0**-24).astype(np.float32))


@pytest.mark.parametrize("dtype", [corten.float32, corten.float64])
@pytest.mark.parametrize("name, law", [("rand", stats.uniform()), ("randn", stats.norm())])
def test_distribution_and_threads(name, law, dtype):
    before = corten.get_num_threads()
    drawn = []
    for n in (1, 2):
        corten.set_num_threads(n)
        corten.manual_seed(11)
        drawn.append(getattr(corten, name)(300001, dtype=dtype).numpy())
    corten.set_num_threads(before)
    assert np.array_equal(*drawn)
    x = drawn[0]
    assert stats.kstest(x[:100000], law.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 5 / len(x) ** 0.5
    assert abs(np.corrcoef(x[64:], x[:-64])[0, 1]) < 5 / len(x) ** 0.5
    again = getattr(corten, name)(300001, dtype=dtype).numpy()
    assert abs(np.corrcoef(x, again)[0, 1]) < 5 / len(x) ** 0.5


def test_dropout_keeps_its_share_and_its_mask():
    x = corten.ones(200000, requires_grad=True)
    y = corten.nn.functional.dropout(x, 0.3)
    y.sum().backward()
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - 0.7) < 5 * (0.21 / kept.size) ** 0.5
    assert np.array_equal(y.detach().numpy(), np.where(kept, np.float32(1 / 0.7), 0))
    assert np.array_equal(x.grad.numpy(), y.detach().numpy())
