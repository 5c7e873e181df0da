"""Lesson 8: a tiny GPT that writes one character after the other."""

import json
import math
import os
import time
from pathlib import Path
from typing import Annotated, Optional

import typer

import corten
from corten import nn
from corten.cli import course
from corten.cli.errors import CommandError, command
from corten.nn import functional as F

FORMAT = "corten gpt"
MODEL = Path("runs/lessons/08_tiny_gpt/gpt.safetensors")

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
                  pretty_exceptions_enable=False)  # fmt: skip


def attention_by_hand(q, k, v):
    """Causal attention as in the README; what the model calls is the same in one pass, without the (T, T) table.

    q, k, v: (B, H, T, D)
    """
    length = q.shape[2]
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[3])  # (B, H, T, T): how much t looks at s
    position = corten.arange(length)
    future = position.reshape(1, length) > position.reshape(length, 1)
    return F.softmax(scores.masked_fill(future, float("-inf")), dim=-1) @ v


class Attention(nn.Module):
    """Each position gathers from itself and the ones before it, in several heads at once."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):  # (B, T, C)
        batch, length, width = x.shape
        q, k, v = (part.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)
                   for part in self.qkv(x).chunk(3, dim=-1))  # fmt: skip
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """Gather from other positions, then think about each position alone; both are added to what was there."""

    def __init__(self, width, heads):
        super().__init__()
        self.before_attention, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.before_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.before_attention(x))
        return x + self.mlp(self.before_mlp(x))


class GPT(nn.Module):
    """Logits of the next character at each position: (B, T) int64 to (B, T, vocabulary)."""

    def __init__(self, vocabulary, block, layers, heads, width):
        super().__init__()
        self.block = block
        self.characters = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(block, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:  # GPT-2's start; what is added to the stream is smaller, for each layer adds
                deep = name.endswith(("out.weight", "mlp.2.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if deep else 0.02)

    def forward(self, tokens):
        x = self.characters(tokens) + self.positions(corten.arange(tokens.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def batch_of(tokens, block, size):
    """Inputs and targets (size, block): stretches of the text, and the same one character later."""
    starts = corten.randint(0, len(tokens) - block, (size, 1))
    index = (starts + corten.arange(block + 1)).reshape(-1)
    stretch = tokens.index_select(0, index).reshape(size, block + 1)
    return stretch[:, :-1].contiguous(), stretch[:, 1:].contiguous()


def loss_of(model, x, y):
    """Mean cross-entropy of the next character, in nats."""
    logits = model(x)
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))


def validation_loss(model, tokens, block, batches):
    """Mean loss over stretches at even distances, always the same ones."""
    starts = corten.linspace(0, len(tokens) - block - 1, 16 * batches).to(corten.int64).reshape(-1, 1)
    total = 0.0
    with corten.no_grad():
        for part in starts.split(16):
            stretch = tokens.index_select(0, (part + corten.arange(block + 1)).reshape(-1)).reshape(-1, block + 1)
            total += loss_of(model, stretch[:, :-1].contiguous(), stretch[:, 1:].contiguous()).item()
    return total / batches


def rate_at(step, steps, peak):
    """Up along a line for a twentieth of the steps, then down along half a cosine to a tenth."""
    warm = max(1, steps // 20)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))


def clip(parameters, most):
    """Shorten all gradients together to a norm of at most ``most``: one bad batch must not undo a hundred good ones."""
    gradients = [p.grad for p in parameters]
    norm = math.sqrt(sum((g * g).sum().item() for g in gradients))
    if norm > most:
        for g in gradients:
            g.mul_(most / norm)


def read_text(path):
    """The text of a file.

    Raises
    ------
    CommandError
        When it is no text, or too short.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8 text") from None
    if len(text) < 2000:
        raise CommandError(f"{path}: {len(text)} characters, expected at least 2,000 to train and to validate")
    return text


def load(path):
    """The checkpoint of a file, and its model.

    Raises
    ------
    CommandError
        When it is none of this lesson's.
    """
    if not path.exists():
        raise CommandError(f"{path} is not there: train first, or give --model")
    saved = corten.load(path)
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise CommandError(f"{path} is no file of this lesson")
    model = GPT(len(saved["characters"]), **saved["sizes"])
    model.load_state_dict(saved["model"])
    return saved, model


@app.command()
@command
def train(
    data: Annotated[Optional[Path], typer.Option(
        help="A text file. [default: $CORTEN_DATA/tinyshakespeare/input.txt]", show_default=False)] = None,
    steps: Annotated[int, typer.Option(min=1)] = 1500,
    batch_size: Annotated[int, typer.Option(min=1)] = 12,
    block: Annotated[int, typer.Option(min=2, help="How many characters it looks back.")] = 64,
    layers: Annotated[int, typer.Option(min=1)] = 4,
    heads: Annotated[int, typer.Option(min=1)] = 4,
    width: Annotated[int, typer.Option(min=1)] = 128,
    lr: Annotated[float, typer.Option(help="The largest learning rate.")] = 2e-3,
    out: Annotated[Path, typer.Option(help="The checkpoint.")] = MODEL,
    stop: Annotated[Optional[int], typer.Option(min=1, help="Stop after so many of the steps; --resume does the rest.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    seed: Annotated[int, typer.Option()] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A small model, 250 steps, and a lower goal.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 where the goal is missed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Results as one JSON line; all else goes to stderr.")] = False,
):  # fmt: skip
    """Train on a text, character by character; a tenth at its end is for validation."""
    if data is None:
        if "CORTEN_DATA" not in os.environ:
            raise CommandError("give --data input.txt: see the README of the lesson for where to get it")
        data = Path(os.environ["CORTEN_DATA"], "tinyshakespeare", "input.txt")
    if quick:
        steps, block, layers, width, lr = min(steps, 250), 32, 2, 64, 4e-3
    if width % heads:
        raise CommandError(f"--width {width} cannot be divided among {heads} heads")
    run = course.Run("08_tiny_gpt", quick, seed, out.parent, quiet=as_json)
    text = read_text(data)
    characters = sorted(set(text))
    number = {c: i for i, c in enumerate(characters)}
    tokens = corten.tensor([number[c] for c in text])
    cut = len(tokens) * 9 // 10
    if len(tokens) - cut <= block:
        raise CommandError(
            f"{data}: the last tenth has {len(tokens) - cut} characters, expected more than --block {block}"
        )
    training, validation = tokens[:cut], tokens[cut:]
    run.uses(f"{data}, {len(text):,} characters, {len(characters)} different ones")

    corten.manual_seed(seed)
    sizes = {"block": block, "layers": layers, "heads": heads, "width": width}
    model = GPT(len(characters), **sizes)
    decayed = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    optimizer = corten.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                   lr=lr, betas=(0.9, 0.95))  # fmt: skip
    first, curve = 0, []
    if resume:
        saved, _ = load(out)
        if saved["sizes"] != sizes or saved["characters"] != characters:
            raise CommandError(f"{out} is of another size or text: train without --resume")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        corten.set_rng_state(saved["generator"])
        first, curve = saved["step"], saved["curve"]
    run.say(f"{sum(p.numel() for p in model.parameters()):,} parameters, {steps - first} steps")

    began = time.perf_counter()
    last = steps if stop is None else min(stop, steps)
    for step in range(first, last):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps, lr)
        optimizer.zero_grad()
        loss = loss_of(model, *batch_of(training, block, batch_size))
        if not math.isfinite(loss.item()):
            raise CommandError(f"the loss is {loss.item()} at step {step}: try a lower --lr")
        loss.backward()
        clip(model.parameters(), 1.0)
        optimizer.step()
        done = step + 1
        if done == last or done % max(1, steps // 10) == 0:
            held = validation_loss(model, validation, block, 5 if quick else 20)
            curve.append([done, loss.item(), held])
            out.parent.mkdir(parents=True, exist_ok=True)
            corten.save({"format": FORMAT, "sizes": sizes, "characters": characters, "step": done, "curve": curve,
                         "model": model.state_dict(), "optimizer": optimizer.state_dict(),
                         "generator": corten.get_rng_state(), "validation_loss": held}, out)  # fmt: skip
            each = 1e3 * (time.perf_counter() - began) / (done - first)
            run.say(
                f"step {done:>5}/{steps}  training loss {loss.item():.3f}  validation loss {held:.3f}  {each:.1f} ms a step"
            )
    seconds = time.perf_counter() - began
    if not curve:
        raise CommandError(f"{out} has all {steps} steps already: give more --steps")

    run.heading("What it writes")
    sample = generated(model, number, characters, beginning(characters), 200, 0.8)
    run.say(sample)
    figure, axes = run.subplots(1, 1, (7, 4), "A tiny GPT")
    axes.plot([c[0] for c in curve], [c[1] for c in curve], label="training (one batch)")
    axes.plot([c[0] for c in curve], [c[2] for c in curve], label="validation")
    axes.set(xlabel="step", ylabel="loss, nats a character")
    axes.legend()
    run.save(figure, "gpt")
    run.metric("validation loss, nats a character", curve[-1][2], at_most=2.6 if quick else 2.0)
    if as_json:
        print(json.dumps({"step": curve[-1][0], "training_loss": curve[-1][1], "validation_loss": curve[-1][2], "model": str(out),
                          "seconds": round(seconds, 3), "sample": sample, "metrics": run.metrics}))  # fmt: skip
    if check and not all(m["met"] for m in run.metrics):
        raise typer.Exit(1)


def beginning(characters):
    """A line end, where the text has any."""
    return "\n" if "\n" in characters else characters[0]


def generated(model, number, characters, prompt, length, temperature, generator=None):
    """``length`` characters after ``prompt``, drawn from softmax(logits / temperature); at 0 the likeliest ones."""
    tokens = [number[c] for c in prompt]
    with corten.no_grad():
        for _ in range(length):
            logits = model(corten.tensor([tokens[-model.block :]]))[0, -1]
            if temperature == 0:
                tokens.append(int(logits.argmax().item()))
            else:
                chances = F.softmax(logits / temperature, dim=-1)
                tokens.append(int(corten.multinomial(chances, 1, generator=generator).item()))
    return "".join(characters[t] for t in tokens[len(prompt) :])


@app.command()
@command
def generate(
    prompt: Annotated[
        Optional[str], typer.Option(help="What the text begins with. [default: a line end]", show_default=False)
    ] = None,
    length: Annotated[int, typer.Option(min=1, help="Characters to write.")] = 300,
    temperature: Annotated[float, typer.Option(min=0, help="Below 1: safer; above 1: wilder; 0: the likeliest.")] = 0.8,
    seed: Annotated[int, typer.Option(help="The same seed writes the same text.")] = 0,
    model: Annotated[Path, typer.Option(help="What train saved.")] = MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line.")] = False,
):  # fmt: skip
    """Print the prompt and what the model writes after it."""
    saved, network = load(model)
    characters = saved["characters"]
    number = {c: i for i, c in enumerate(characters)}
    prompt = beginning(characters) if prompt is None else prompt
    if not prompt:
        raise CommandError("--prompt is empty, expected at least one character")
    if unknown := sorted(set(prompt) - set(characters)):
        raise CommandError(f"the model does not know {', '.join(map(repr, unknown))}; it knows {''.join(characters)!r}")
    text = generated(network, number, characters, prompt, length, temperature, corten.Generator().manual_seed(seed))
    if as_json:
        print(json.dumps({"prompt": prompt, "text": text, "validation_loss": saved["validation_loss"]}))
    else:
        typer.echo(prompt + text)


if __name__ == "__main__":
    app()
