"""Four transformers from one block: encoder-decoder, classifier, generator, and one that sees pictures."""

import from_scratch as scratch

import corten
from corten import nn

F = nn.functional


class Block(nn.Module):
    """Attention and a small network at every position, each beside a shortcut. The last attention map is kept when asked for."""

    def __init__(self, width, heads, causal=False, cross=False):
        super().__init__()
        self.heads, self.causal, self.keep, self.map = heads, causal, False, None
        self.norm1, self.qkv, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        if cross:
            self.norm3, self.query, self.other, self.out = (nn.LayerNorm(width), nn.Linear(width, width),
                                                            nn.Linear(width, 2 * width), nn.Linear(width, width))  # fmt: skip

    def attend(self, q, k, v, causal):
        """Split into heads, attend, join."""
        b, t, c = q.shape
        q, k, v = (x.reshape(b, x.shape[1], self.heads, c // self.heads).transpose(1, 2) for x in (q, k, v))
        if self.keep:
            self.map = scratch.attention(q.detach().numpy(), k.detach().numpy(), v.detach().numpy(), causal)[1]
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).reshape(b, t, c)

    def forward(self, x, memory=None):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        x = x + self.proj(self.attend(q, k, v, self.causal))
        if memory is not None:
            k, v = self.other(memory).chunk(2, dim=-1)
            x = x + self.out(self.attend(self.query(self.norm3(x)), k, v, False))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


def embed(tokens, table):
    """Vectors of tokens plus their positions' waves."""
    x = table(tokens)
    return x + corten.tensor(scratch.sinusoids(x.shape[1], x.shape[2]), dtype=x.dtype)


class Translator(nn.Module):
    """Encoder and decoder: every written position looks at all that was read."""

    def __init__(self, inputs, outputs, width=64, heads=4, layers=2):
        super().__init__()
        self.read, self.write = nn.Embedding(inputs, width), nn.Embedding(outputs, width)
        self.encoder = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.decoder = nn.ModuleList([Block(width, heads, causal=True, cross=True) for _ in range(layers)])
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, outputs)

    def forward(self, source, before):
        memory = embed(source, self.read)
        for block in self.encoder:
            memory = block(memory)
        x = embed(before, self.write)
        for block in self.decoder:
            x = block(x, memory)
        return self.out(self.norm(x))


class Classifier(nn.Module):
    """Encoder only: the mean over all positions decides."""

    def __init__(self, tokens, classes, width=48, heads=4, layers=1, drop=0.3):
        super().__init__()
        self.table, self.drop = nn.Embedding(tokens, width), nn.Dropout(drop)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, tokens):
        x = self.drop(embed(tokens, self.table))
        for block in self.blocks:
            x = block(x)
        return self.out(self.drop(self.norm(x).mean(1)))


class Generator(nn.Module):
    """Decoder only: after every character, the next one."""

    def __init__(self, tokens, length, width=64, heads=4, layers=2):
        super().__init__()
        self.length, self.table, self.place = length, nn.Embedding(tokens, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList([Block(width, heads, causal=True) for _ in range(layers)])
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, tokens)

    def forward(self, tokens):
        x = self.table(tokens) + self.place(corten.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm(x))


class Seer(nn.Module):
    """A small ViT: the picture in squares, each a token, and one more that answers."""

    def __init__(self, side, patch, width=48, heads=4, layers=2):
        super().__init__()
        self.patch, count = patch, (side // patch) ** 2
        self.table = nn.Linear(patch * patch, width)
        self.answer, self.place = nn.Parameter(corten.zeros(1, 1, width)), nn.Parameter(0.02 * corten.randn(1, count + 1, width))
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, images):
        b, side, _ = images.shape
        n, p = side // self.patch, self.patch
        squares = images.reshape(b, n, p, n, p).transpose(2, 3).reshape(b, n * n, p * p)
        x = corten.cat([self.answer.expand(b, 1, -1), self.table(squares)], 1) + self.place
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm(x[:, 0]))
