"""Measures a network where it runs: sends labelled images to a board and notes every answer and how long it took.

The answers are written to a file as they come, so that a benchmark that was interrupted goes on where it stopped.
`edgekit.board.benchmark` and the command `edgekit benchmark` are made of it.
"""

import contextlib
import csv
import os
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekit.errors import EdgekitError
from edgekit.table import Table

# Of the file with the results.
COLUMNS = ("row", "image", "model", "label", "answer", "scores", "microseconds", "milliseconds")


class BenchmarkError(EdgekitError):
    """A benchmark cannot begin or go on; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Benchmark:
    """What a board said about labelled images. It shows itself as a table.

    Attributes:
        model: the name of the network on the board.
        class_names: names of the classes.
        labels: (N,) the true classes.
        answers: (N,) the classes that the board named: for one score 1 where it is above one half, else the highest.
        scores: float32 (N, outputs).
        microseconds: (N,) what one inference took, measured on the board.
        milliseconds: (N,) the same and the way there and back, measured on the computer.
        wanted: how many images there were to send; more than N if the benchmark was interrupted.
        wrong: how many scores differ from the reference network's; None without a reference.
        path: of the results file.
    """

    model: str
    class_names: tuple
    labels: np.ndarray = field(repr=False)
    answers: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    microseconds: np.ndarray = field(repr=False)
    milliseconds: np.ndarray = field(repr=False)
    wanted: int
    wrong: int | None
    path: Path

    def __len__(self):
        return len(self.labels)

    @property
    def accuracy(self):
        """Share of right answers; NaN before the first."""
        return float(np.mean(self.answers == self.labels)) if len(self) else float("nan")

    @property
    def confusion(self):
        """(C, C) counts: a row for each true class, a column for each answer."""
        counts = np.zeros((len(self.class_names),) * 2, int)
        np.add.at(counts, (self.labels, self.answers), 1)
        return counts

    @property
    def lost(self):
        """Images that were to be sent and have no answer."""
        return self.wanted - len(self)

    def table(self):
        """The confusion matrix, and under it what else there is to know, as a `Table`."""
        rows = [(name, *map(int, row)) for name, row in zip(self.class_names, self.confusion, strict=True)]
        columns = ("", *(f"answer: {name}" for name in self.class_names))
        note = f"{len(self)} of {self.wanted} images answered, {self.lost} lost"
        if self.wrong is not None:
            note += f", {self.wrong} wrong (against the same network in Python)"
        if len(self):
            low, middle, high = np.percentile(self.microseconds, (5, 50, 95)) / 1000
            note += (
                f". Accuracy {self.accuracy:.1%}. An inference takes {middle:.1f} ms on the board ({low:.1f} to "
                f"{high:.1f} for nine of ten), {np.median(self.milliseconds):.0f} ms with the way there and back."
            )
        return Table(columns, rows, f"{self.model} on {len(self)} images", note)

    def __str__(self):
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self):
        return self.table()._repr_html_()


def run(device, dataset, results="benchmark.csv", images=None, baud=None, reference=None, resume=True):
    """Send labelled images to a board and collect its answers.

    Each answer is in the file before the next image is sent. If the file is there and unfinished, the benchmark goes on
    after its last row; a finished one is kept under a dated name.

    Args:
        device: a `edgekit.board.Board` whose program takes images from the computer.
        dataset: a `edgekit.datasets.Dataset`.
        results: path of the file: CSV with the columns of `COLUMNS`; image is the CRC-32 of its pixels.
        images: how many, from the first on; None sends all.
        baud: rate of the line for the while, bits a second, for example 921600; None leaves it.
        reference: a `QuantizedNetwork` or `Network` whose scores the board should give, to the bit if it is int8.
        resume: False begins anew, keeping an unfinished file under a dated name.

    Returns:
        `Benchmark`; of what there is so far if it is interrupted from the keyboard.

    Raises:
        ValueError: more images than there are, or not of the shape that the board's network takes.
        BenchmarkError: the unfinished file belongs to other images or another network.
        BoardError: the board does not answer; what it answered so far is in the file.
    """
    from tqdm.auto import tqdm

    images = len(dataset) if images is None else images
    if not 1 <= images <= len(dataset):
        raise ValueError(f"images must be from 1 to {len(dataset)}, as many as the data set has, not {images}")
    inputs, labels, path = dataset.inputs[:images], dataset.labels[:images], Path(results)
    if inputs.shape[1:] != tuple(device.info.input_shape):
        raise ValueError(
            f"the network on the board takes inputs of shape {tuple(device.info.input_shape)}, "
            f"and these have {inputs.shape[1:]}"
        )
    if not resume and path.exists():
        _keep(path)
    rows = _resume(path, inputs, device)
    if len(rows) == images:
        _keep(path)
        rows = []
    right = sum(row["answer"] == int(label) for row, label in zip(rows, labels, strict=False))
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        if baud is not None and baud != device.baud:
            stack.callback(restore_baud, device, device.baud)
            device.set_baud(baud)
        file = stack.enter_context(_append(path, rows))
        bar = stack.enter_context(tqdm(total=images, initial=len(rows), unit="image"))
        for position in range(len(rows), images):
            start = time.perf_counter()
            result = device.classify(inputs[position])
            row = {
                "row": position,
                "image": _fingerprint(inputs[position]),
                "model": device.info.model,
                "label": int(labels[position]),
                "answer": _answer(result.scores),
                "scores": result.scores.tolist(),
                "microseconds": result.microseconds,
                "milliseconds": round(1000 * (time.perf_counter() - start), 1),
            }
            file.write(row)
            rows.append(row)
            right += row["answer"] == row["label"]
            bar.set_postfix_str(f"{right / len(rows):.1%} right, {result.microseconds / 1000:.1f} ms", refresh=False)
            bar.update()
    scores = np.array([row["scores"] for row in rows], np.float32).reshape(len(rows), -1)
    wrong = None
    if reference is not None:
        wrong = _differing(scores, reference, inputs[: len(rows)])
    return Benchmark(
        model=device.info.model,
        class_names=dataset.class_names,
        labels=np.array([row["label"] for row in rows], int),
        answers=np.array([row["answer"] for row in rows], int),
        scores=scores,
        microseconds=np.array([row["microseconds"] for row in rows], int),
        milliseconds=np.array([row["milliseconds"] for row in rows], float),
        wanted=images,
        wrong=wrong,
        path=path,
    )


def _differing(scores, reference, inputs):
    """How many rows of scores are not what the reference network says."""
    if not len(inputs):
        return 0
    from edgekit import models

    real = models.preprocess(inputs) if inputs.dtype == np.uint8 else inputs
    quantized = hasattr(reference, "quantization")
    expected = (reference.predict if quantized else reference.run)(real).reshape(len(inputs), -1)
    tolerance = 1e-6 if quantized else 1e-3
    return int((np.abs(scores - expected) > tolerance).any(axis=1).sum())


def _answer(scores):
    return int(scores[0] > 0.5) if len(scores) == 1 else int(np.argmax(scores))


def _fingerprint(values):
    return f"{zlib.crc32(np.ascontiguousarray(values).tobytes()):08x}"


def restore_baud(device, baud):
    """Return to a rate, as far as the board can still be reached."""
    from edgekit._answers import BoardError

    with contextlib.suppress(BoardError):  # what was measured counts, whatever the line does afterwards
        if not device.closed:
            device.set_baud(baud)


class _Rows:
    """Appends rows to the results file, each in one write."""

    def __init__(self, file):
        self._file = file
        self._writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")

    def head(self):
        self._writer.writeheader()
        self._file.flush()

    def write(self, row):
        self._writer.writerow(row | {"scores": " ".join(map(repr, row["scores"]))})
        self._file.flush()


@contextlib.contextmanager
def _append(path, rows):
    """The file, ready for more rows; a last line that was cut off is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if rows:
        complete = path.read_bytes().splitlines(keepends=True)[: 1 + len(rows)]
        os.truncate(path, sum(map(len, complete)))
    with path.open("a" if rows else "w", newline="", encoding="utf-8") as file:
        writer = _Rows(file)
        if not rows:
            writer.head()
        yield writer


def _resume(path, inputs, device):
    """The rows that an earlier run left in the file, if they belong to this benchmark."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True) if path.exists() else []
    if lines and lines[0].strip() != ",".join(COLUMNS):
        raise BenchmarkError(f"{path} is not a benchmark's results: choose another file")
    rows = []
    for line in csv.DictReader(line for line in lines if line.endswith("\n")):  # what was cut off is not counted
        try:
            row = {
                "row": int(line["row"]),
                "image": line["image"],
                "model": line["model"],
                "label": int(line["label"]),
                "answer": int(line["answer"]),
                "scores": [float(score) for score in line["scores"].split()],
                "microseconds": int(line["microseconds"]),
                "milliseconds": float(line["milliseconds"]),
            }
        except (TypeError, ValueError):
            raise BenchmarkError(
                f"line {len(rows) + 2} of {path} cannot be read: begin anew with another file"
            ) from None
        rows.append(row)
    begin_anew = "choose another results file, or begin anew (resume=False, or --restart)"
    del rows[len(inputs) :]
    for position, (row, values) in enumerate(zip(rows, inputs, strict=False)):
        if row["row"] != position or row["image"] != _fingerprint(values):
            raise BenchmarkError(f"{path} holds the answers to other images: {begin_anew}")
        if row["model"] != device.info.model:
            raise BenchmarkError(
                f"{path} holds the answers of {row['model']}, and on the board is {device.info.model}: {begin_anew}"
            )
    if 0 < len(rows) < len(inputs):
        again = device.classify(inputs[len(rows) - 1]).scores
        if not np.allclose(again, rows[-1]["scores"], atol=1e-6):
            raise BenchmarkError(
                f"{path} holds the answers of another version of {device.info.model}: asked again, the board says "
                f"{again[0]:.4f} where the file says {rows[-1]['scores'][0]:.4f}; {begin_anew}"
            )
    return rows


def _keep(path):
    """Give a results file a dated name."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(path.stat().st_mtime))
    number = 0
    while (kept := path.with_name(f"{path.stem}-{stamp}{f'-{number}' if number else ''}{path.suffix}")).exists():
        number += 1
    path.rename(kept)
