"""Command line of the generator: a contact sheet to look at, or the whole data set."""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from edgekit.datasets import cars, streets


def _rendered(split, indices, jobs):
    from tqdm.auto import tqdm

    with ProcessPoolExecutor(jobs) as pool:
        images = pool.map(partial(streets.render, split), indices, chunksize=4)
        return np.stack(list(tqdm(images, total=len(indices), unit="image", desc=split)))


def contact_sheet(images, labels, columns=10, scale=2):
    """Images in rows, those with a car framed green, the others red: uint8 (H, W, 3)."""
    side = images.shape[1] * scale
    frame = 4
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (side + 2 * frame), columns * (side + 2 * frame), 3), 255, np.uint8)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        y, x = (i // columns) * (side + 2 * frame), (i % columns) * (side + 2 * frame)
        sheet[y : y + side + 2 * frame, x : x + side + 2 * frame] = (30, 160, 60) if label else (200, 50, 40)
        large = image.repeat(scale, axis=0).repeat(scale, axis=1)
        sheet[y + frame : y + frame + side, x + frame : x + frame + side] = large
    return sheet


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m edgekit.datasets.streets", description=streets.__doc__)
    parser.add_argument("--sheet", type=Path, help="draw a contact sheet into this PNG: green frames hold a car")
    parser.add_argument("--output", type=Path, help="make the data set in this folder")
    parser.add_argument("--split", choices=streets.SIZES, default="test", help="what the sheet shows")
    parser.add_argument("--count", type=int, default=100, help="how many pictures the sheet shows, from the first")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args(arguments)
    if not (options.sheet or options.output):
        parser.error("nothing to do: give --sheet FILE or --output FOLDER")
    if options.count < 1:
        parser.error(f"--count must be at least 1, got {options.count}")
    if options.sheet:
        from PIL import Image

        indices = range(min(options.count, streets.SIZES[options.split]))
        images = _rendered(options.split, indices, options.jobs)
        sheet = contact_sheet(images, streets.labels(options.split)[: len(images)])
        Image.fromarray(sheet).save(options.sheet)
        print(f"wrote {options.sheet}: {len(images)} pictures of the {options.split} split")
    if options.output:
        for split, size in streets.SIZES.items():
            cars.write(options.output, split, _rendered(split, range(size), options.jobs), streets.labels(split))
        megabytes = sum(path.stat().st_size for path in options.output.iterdir()) / 1e6
        print(f"wrote {options.output}: {sum(streets.SIZES.values())} pictures, {megabytes:.1f} MB")


if __name__ == "__main__":
    main()
