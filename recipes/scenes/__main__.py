"""Command line of the generator: a contact sheet to look at, or the whole data set."""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from edgekit.datasets import cars
from recipes import scenes
from recipes.scenes.contact_sheet import contact_sheet


def _rendered(split: str, indices: range, jobs: int) -> np.ndarray:
    from tqdm.auto import tqdm

    with ProcessPoolExecutor(jobs) as pool:
        images = pool.map(partial(scenes.render, split), indices, chunksize=4)
        return np.stack(list(tqdm(images, total=len(indices), unit="image", desc=split)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command: words of the command line, or None for the process's own."""
    parser = argparse.ArgumentParser(prog="python -m recipes.scenes", description=scenes.__doc__)
    parser.add_argument("--sheet", type=Path, help="draw a contact sheet into this PNG: green frames hold a car")
    parser.add_argument("--output", type=Path, help="make the data set in this folder")
    parser.add_argument("--split", choices=scenes.SIZES, default="test", help="the split that the sheet shows")
    parser.add_argument("--count", type=int, default=100, help="how many pictures the sheet shows, from the first")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args(arguments)
    if not (options.sheet or options.output):
        parser.error("nothing to do: give --sheet FILE or --output FOLDER")
    if options.count < 1:
        parser.error(f"--count must be at least 1, got {options.count}")
    if options.sheet:
        from PIL import Image

        indices = range(min(options.count, scenes.SIZES[options.split]))
        images = _rendered(options.split, indices, options.jobs)
        sheet = contact_sheet(images, scenes.labels(options.split)[: len(images)])
        Image.fromarray(sheet).save(options.sheet)
        print(f"wrote {options.sheet}: {len(images)} pictures of the {options.split} split")
    if options.output:
        for split, size in scenes.SIZES.items():
            cars.write(options.output, split, _rendered(split, range(size), options.jobs), scenes.labels(split))
        megabytes = sum(path.stat().st_size for path in options.output.iterdir()) / 1e6
        print(f"wrote {options.output}: {sum(scenes.SIZES.values())} pictures, {megabytes:.1f} MB")


if __name__ == "__main__":
    main()
