"""Commands and their options. What they do is imported when one is called, so that ``--help`` is quick."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from .errors import command

app = typer.Typer(
    name="corten",
    help="Train and use small image classifiers on the Corten framework.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="The public data sets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")
examples_app = typer.Typer(help="The sixteen examples, from scaling a table to a residual network.", no_args_is_help=True,
                           rich_markup_mode=None)  # fmt: skip
app.add_typer(examples_app, name="examples")

#: for a command whose options are another program's
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


class Data(StrEnum):
    """Choices of --data."""

    auto = "auto"
    mnist = "mnist"
    fashion = "fashion"
    digits = "digits"


class Optimizer(StrEnum):
    """Choices of --optimizer."""

    sgd = "sgd"
    momentum = "momentum"
    adam = "adam"
    adamw = "adamw"


class Schedule(StrEnum):
    """Choices of --schedule."""

    cosine = "cosine"
    constant = "constant"


class Invert(StrEnum):
    """Choices of --invert."""

    auto = "auto"
    yes = "yes"
    no = "no"


@app.command()
@command
def train(
    data: Annotated[Data, typer.Option(
        help="Data set. 'auto' takes MNIST where it is found or can be downloaded, else the embedded digits.",
    )] = Data.auto,
    hidden: Annotated[str, typer.Option(
        metavar="WIDTHS", help="Widths of the hidden layers, such as 64 or 128,64; 0 for none.",
    )] = "64",
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples in a step.")] = 1,
    lr: Annotated[Optional[float], typer.Option(
        help="Learning rate. [default: 0.01; 0.001 for adam and adamw]", show_default=False,
    )] = None,
    schedule: Annotated[Schedule, typer.Option(
        help="'cosine': the learning rate falls from --lr towards 0, epoch by epoch, along half a cosine.",
    )] = Schedule.cosine,
    optimizer: Annotated[Optimizer, typer.Option(help="'momentum' is SGD with momentum 0.9.")] = Optimizer.sgd,
    seed: Annotated[int, typer.Option(
        min=0, max=2**63 - 1, help="Weights and order of the samples; the same seed gives the same model.",
    )] = 0,
    threads: Annotated[Optional[int], typer.Option(
        min=1, help="Most threads to run on; the result does not depend on it. [default: all]", show_default=False,
    )] = None,
    out: Annotated[Optional[Path], typer.Option(
        metavar="FOLDER", help="Where the run is written. [default: the next free runs/DATA-NNN]", show_default=False,
    )] = None,
    overwrite: Annotated[bool, typer.Option(
        "--overwrite", help="Train into a FOLDER that has a run already; its model is replaced after the first epoch.",
    )] = False,
    json: Annotated[bool, typer.Option(
        "--json", help="One closing JSON line on stdout; all else goes to stderr.",
    )] = False,
) -> None:  # fmt: skip
    """Train a classifier of images: fully connected layers, ReLU, softmax cross-entropy.

    The folder gets model.safetensors after each epoch, training.png (learning curve and confusion matrix) and
    metrics.json. Ctrl-C keeps the model of the last epoch and exits with 130.
    """
    from .training import run

    run(
        data.value, hidden, epochs, batch_size, lr, schedule.value, optimizer.value, seed, threads, out, overwrite, json
    )


@app.command()
@command
def predict(
    model: Annotated[Path, typer.Argument(help="A model.safetensors, or the folder of a run.")],
    images: Annotated[list[str], typer.Argument(
        metavar="IMAGE...", help="PNG or JPEG files, CSV files with a row of pixels for each image, or such a row.",
    )],
    invert: Annotated[Invert, typer.Option(
        help="The data sets are white on black. 'auto' inverts an image whose border is brighter than middle grey.",
    )] = Invert.auto,
    json: Annotated[bool, typer.Option("--json", help="One JSON line for each image.")] = False,
) -> None:  # fmt: skip
    """Print the class of each image and the probabilities.

    Images may have any size and colour. One of the model's own size is taken pixel by pixel. From another, a
    handwritten digit is cut out, scaled and centred the way the data set was made; clothing is scaled as a whole.
    Transparent parts count as white. Pixels in a CSV row are the data set's raw values (0 to 255; digits: 0 to 16),
    row by row from the top, and are taken as they are.
    """
    from .prediction import run

    run(model, images, invert.value, json)


@data_app.command("list")
@command
def data_list() -> None:
    """List the data sets and where they are."""
    from .datasets import show

    show()


@data_app.command("get")
@command
def data_get(
    names: Annotated[list[Data], typer.Argument(metavar="NAME...", help="mnist, fashion, digits")],
) -> None:
    """Download data sets into the user's cache where they are not found."""
    from .datasets import get

    get([name.value for name in names])


@examples_app.command("list")
@command
def examples_list() -> None:
    """List the examples."""
    from .examples import show

    show()


@examples_app.command("run", context_settings=PASSED_ON)
@command
def examples_run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, number, or how the name begins.")],
) -> None:
    """Run an example by name; options after the name, such as --quick, are its own."""
    from .examples import run

    raise typer.Exit(run(name, context.args))


@app.command("bike", context_settings=PASSED_ON)
@command
def bike(context: typer.Context) -> None:
    """Predict bike rentals: lesson 6 as a command (train, predict)."""
    from .lessons import run

    run("06_bike_sharing", "bike", context.args)


@app.command("gpt", context_settings=PASSED_ON)
@command
def gpt(context: typer.Context) -> None:
    """Train a tiny GPT on a text and let it write: lesson 8 as a command (train, generate)."""
    from .lessons import run

    run("08_tiny_gpt", "gpt", context.args)


@app.command()
@command
def info() -> None:
    """Show version, instruction set, threads and libraries."""
    import corten

    shown = corten.show_config()
    if shown is not None:
        typer.echo(str(shown).rstrip())
