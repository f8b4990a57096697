"""``resnet`` and ``hep_resnet``: from labelled images to a model that the server takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mlaas4hep.cli.options import Json, Quiet
from mlaas4hep.cli.workflows import validated

__all__ = ["register"]

EXAMPLES = """
Examples:

  mlaas4hep {name} --fdir images --flabels labels.csv --epochs 200 --mdir models

  mlaas4hep {name} --fdir images --flabels labels.csv --size 64 --patience 20 --name tracks --json

The images are in the folder, or in a folder train in it; labels.csv begins with the line name,label. Afterwards:

  mlaas4hep models upload models/resnet.tar.gz
"""
OF_THE_ORIGINAL = "Classify images with the name and options of the original hep_resnet.py."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    ours = "Train a small residual network on labelled images (png, jpg); the server's /image then tells their classes."
    app.command("resnet", epilog=EXAMPLES.format(name="resnet"), help=ours)(_resnet)
    app.command("hep_resnet", epilog=EXAMPLES.format(name="hep_resnet"), help=OF_THE_ORIGINAL)(_resnet)


def _resnet(
    fdir: Annotated[Path, typer.Option(help="Folder of the images, or of a folder train with them.")],
    flabels: Annotated[Path, typer.Option(help="A csv file with the columns name and label.")],
    epochs: Annotated[int, typer.Option(min=1, help="Maximum number of passes over the training images.")] = 200,
    mdir: Annotated[
        Path, typer.Option(help="Folder of models; a folder and a tar.gz named after the model are written there.")
    ] = Path("models"),
    name: Annotated[str, typer.Option(help="Name of the model.")] = "resnet",
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            "--image-size",
            help="Resize to this many pixels: 64, or height x width, 64x48. Default: no resizing.",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per step (batch size).")] = 32,
    blocks: Annotated[int, typer.Option(min=1, max=100, help="Residual blocks in each of three stages.")] = 2,
    filters: Annotated[
        int, typer.Option(min=1, max=4096, help="Filters of the first stage; each further stage has twice as many.")
    ] = 16,
    learning_rate: Annotated[float, typer.Option(min=1e-9, help="Of Adam.")] = 1e-3,
    patience: Annotated[
        int, typer.Option(min=0, help="Stop after this many epochs without a lower validation loss; 0: never.")
    ] = 0,
    validation: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of the images used to choose the epoch; default: 0.2."),
    ] = None,
    test: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share of the images kept for the test; default: 0.2.")
    ] = None,
    split: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Option of the original: share to train on; the rest is halved for validation and test.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split, the weights and the order.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Threads for reading images.")] = 2,
    optimizer: Annotated[str, typer.Option(help="Option of the original; the optimizer is always Adam.")] = "adam",
    model: Annotated[str | None, typer.Option(help="Option of the original; see --blocks and --filters.")] = None,
    image_ext: Annotated[str | None, typer.Option(help="Option of the original; suffixes are detected.")] = None,
    augmentation: Annotated[bool, typer.Option("--augmentation", help="Option of the original; not used.")] = False,
    quantize: Annotated[bool, typer.Option("--quantize", help="Option of the original; not used.")] = False,
    testing: Annotated[bool, typer.Option("--testing", help="Option of the original; the test is always run.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Option of the original; everything is shown without --quiet.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    from mlaas4hep.cli.console import Terminal
    from mlaas4hep.cli.outputs import Output, check_outputs
    from mlaas4hep.config.sections.events import Split
    from mlaas4hep.training.images.settings import ImageSettings, size_of
    from mlaas4hep.training.images.workflow import train_on_images
    from mlaas4hep.training.judging.summary import render_summary

    del testing, verbose
    terminal = Terminal(quiet=quiet)
    unused = _unused(optimizer, model, image_ext, augmentation=augmentation, quantize=quantize)
    if unused:
        terminal.warn(f"not used: {'; '.join(unused)}")
    if not flabels.exists() and (fdir / flabels).is_file():
        flabels = fdir / flabels
    check_outputs(
        [
            Output("--mdir", mdir, "folder"),
            Output("the model", mdir / name, "model"),
            Output("the model's archive", mdir / f"{name}.tar.gz", "model"),
        ],
        [fdir, flabels],
    )
    split_settings = validated(Split, {**_shares(split, validation, test), "seed": seed})
    settings = ImageSettings(
        folder=fdir,
        labels=flabels,
        models=mdir,
        name=name,
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        size=size_of(size),
        blocks=blocks,
        filters=filters,
        learning_rate=learning_rate,
        split=split_settings,
        seed=seed,
        workers=workers,
    )
    result = train_on_images(settings, terminal)
    if as_json:
        facts = {"model": str(result.folder), "archive": str(result.archive), "warnings": terminal.warnings}
        typer.echo(json.dumps({**facts, "metrics": result.metrics}))
    elif not quiet:
        typer.echo(render_summary(name, result.metrics, warnings=terminal.warnings))
        typer.echo(f"\nwritten: {result.folder}\nwritten: {result.archive}")


def _shares(split: float | None, validation: float | None, test: float | None) -> dict[str, float]:
    from mlaas4hep.errors import ConfigError

    if split is None:
        return {"validation": 0.2 if validation is None else validation, "test": 0.2 if test is None else test}
    if validation is not None or test is not None:
        raise ConfigError("--split cannot be combined with --validation or --test", hint="keep one of them")
    half = round((1 - split) / 2, 9)
    return {"validation": half, "test": half}


def _unused(
    optimizer: str, model: str | None, image_ext: str | None, *, augmentation: bool, quantize: bool
) -> list[str]:
    """What options of the original ask for that is not done, each with the reason."""
    found: list[str] = []
    if optimizer.lower() != "adam":
        found.append(f"--optimizer {optimizer} (it is Adam, with --learning-rate)")
    if model is not None:
        found.append(f"--model {model} (the network is a small one, of --blocks and --filters)")
    if image_ext is not None and image_ext.lower().lstrip(".") not in {"png", "jpg", "jpeg"}:
        found.append(f"--image_ext {image_ext} (images are png or jpg)")
    if augmentation:
        found.append("--augmentation (images are taken as they are)")
    if quantize:
        found.append("--quantize (the ONNX model has the weights of the network)")
    return found
