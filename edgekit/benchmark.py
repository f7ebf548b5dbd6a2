"""Measures a network on a board: sends labelled images to it and records every answer and its time.

Each answer is written to a file at once, so that an interrupted benchmark is resumed where it stopped. The command
`edgekit benchmark` calls it.
"""

import contextlib
import csv
import os
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from edgekit.board import Board, BoardError
from edgekit.errors import EdgekitError, InvalidValue
from edgekit.table import Table

if TYPE_CHECKING:
    from edgekit.datasets import Dataset
    from edgekit.network import Network
    from edgekit.quantization import QuantizedNetwork

# The columns of the results file.
COLUMNS = ("row", "image", "model", "label", "answer", "scores", "microseconds", "milliseconds")


class BenchmarkError(EdgekitError):
    """A benchmark cannot start or be resumed; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A board's answers to labelled images; a notebook shows it as a table.

    Attributes:
        model: the name of the network on the board.
        class_names: names of the classes.
        labels: (N,) the true classes.
        answers: (N,) the classes that the board chose: with one score, 1 if it is above one half; else the highest.
        scores: float32 (N, outputs).
        microseconds: (N,) the time of one inference, measured by the board.
        milliseconds: (N,) the same with sending and receiving, measured on the computer.
        wanted: number of images to send; more than N if the benchmark was interrupted.
        wrong: number of images whose scores differ from the reference network's; None without a reference.
        path: of the results file.
        simulated: whether the board was a program on this computer, so that the times are this computer's.
    """

    model: str
    class_names: tuple[str, ...]
    labels: np.ndarray = field(repr=False)
    answers: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    microseconds: np.ndarray = field(repr=False)
    milliseconds: np.ndarray = field(repr=False)
    wanted: int
    wrong: int | None
    path: Path
    simulated: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """Share of right answers; NaN before the first."""
        return float(np.mean(self.answers == self.labels)) if len(self) else float("nan")

    @property
    def confusion(self) -> np.ndarray:
        """(C, C) counts: a row for each true class, a column for each answer."""
        counts = np.zeros((len(self.class_names),) * 2, int)
        np.add.at(counts, (self.labels, self.answers), 1)
        return counts

    @property
    def lost(self) -> int:
        """Number of images to send that have no answer."""
        return self.wanted - len(self)

    def table(self) -> Table:
        """Return the confusion matrix as a table, with lost and wrong answers, accuracy and times below."""
        rows = [(name, *map(int, row)) for name, row in zip(self.class_names, self.confusion, strict=True)]
        columns = ("", *(f"answer: {name}" for name in self.class_names))
        note = f"{len(self)} of {self.wanted} images answered, {self.lost} lost"
        if self.wrong is not None:
            note += f", {self.wrong} wrong (against the same network in Python)"
        if len(self):
            low, middle, high = np.percentile(self.microseconds, (5, 50, 95)) / 1000
            where = "this computer, not on a board" if self.simulated else "the board"
            note += (
                f". Accuracy {self.accuracy:.1%}. An inference takes {middle:.1f} ms on {where} ({low:.1f} to "
                f"{high:.1f} for nine of ten), {np.median(self.milliseconds):.0f} ms with sending and receiving."
            )
        return Table(columns, rows, f"{self.model} on {len(self)} images", note)

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def run(
    device: Board,
    dataset: "Dataset",
    results: str | Path = "benchmark.csv",
    count: int | None = None,
    baud: int | None = None,
    reference: "QuantizedNetwork | Network | None" = None,
    resume: bool = True,
    *,
    images: int | None = None,
) -> Benchmark:
    """Send labelled images to a board and collect its answers.

    Each answer is in the file before the next image is sent. An unfinished file is resumed after its last row; a
    finished one is first renamed with its date.

    Args:
        device: a board whose program takes images from the computer.
        dataset: the labelled images.
        results: path of the file: CSV with the columns of `COLUMNS`; image is the CRC-32 of its pixels.
        count: number of images to send, beginning with the first; None sends all.
        baud: rate of the line during the benchmark, bits per second, for example 921600; None keeps the current rate.
        reference: the network in Python, to compare the board's scores with: exactly equal if it is int8.
        resume: False starts again, and renames an unfinished file with its date.
        images: former name of `count`.

    Returns:
        The answers; after an interrupt from the keyboard, those so far.

    Raises:
        ValueError: count is more than the data set has, or the images have another shape than the board's network.
        BenchmarkError: the unfinished file belongs to other images or another network.
        BoardError: the board does not answer; its answers so far are in the file.
    """
    from tqdm.auto import tqdm

    if count is None:
        count = len(dataset) if images is None else images
    if not 1 <= count <= len(dataset):
        raise InvalidValue(f"count must be from 1 to {len(dataset)}, the size of the data set, not {count}")
    inputs, labels, path = dataset.inputs[:count], dataset.labels[:count], Path(results)
    if inputs.shape[1:] != tuple(device.info.input_shape):
        raise InvalidValue(
            f"the network on the board takes inputs of shape {tuple(device.info.input_shape)}, "
            f"and these have {inputs.shape[1:]}"
        )
    if not resume and path.exists():
        _keep(path)
    rows = _resume(path, inputs, device)
    if len(rows) == count:
        _keep(path)
        rows = []
    right = sum(row["answer"] == int(label) for row, label in zip(rows, labels, strict=False))
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        if baud is not None and baud != device.baud:
            stack.callback(restore_baud, device, device.baud)
            device.set_baud(baud)
        file = stack.enter_context(_append(path, rows))
        bar = stack.enter_context(tqdm(total=count, initial=len(rows), unit="image"))
        for position in range(len(rows), count):
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
        wanted=count,
        wrong=wrong,
        path=path,
        simulated=device.simulated,
    )


def _differing(scores: np.ndarray, reference: "QuantizedNetwork | Network", inputs: np.ndarray) -> int:
    """The number of rows of scores that differ from the reference network's."""
    if not len(inputs):
        return 0
    from edgekit import models

    real = models.preprocess(inputs) if inputs.dtype == np.uint8 else inputs
    quantized = hasattr(reference, "quantization")
    expected = (reference.predict if quantized else reference.run)(real).reshape(len(inputs), -1)
    tolerance = 1e-6 if quantized else 1e-3
    return int((np.abs(scores - expected) > tolerance).any(axis=1).sum())


def _answer(scores: np.ndarray) -> int:
    return int(scores[0] > 0.5) if len(scores) == 1 else int(np.argmax(scores))


def _fingerprint(values: np.ndarray) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(values).tobytes()):08x}"


def restore_baud(device: Board, baud: int) -> None:
    """Return to a rate, if the board still answers.

    Args:
        device: the board.
        baud: bits per second.
    """
    with contextlib.suppress(BoardError):  # the measurement is complete, whatever the line does afterwards
        if not device.closed:
            device.set_baud(baud)


class _Rows:
    """Appends rows to the results file, each in one write."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")

    def head(self) -> None:
        self._writer.writeheader()
        self._file.flush()

    def write(self, row: dict) -> None:
        self._writer.writerow(row | {"scores": " ".join(map(repr, row["scores"]))})
        self._file.flush()


@contextlib.contextmanager
def _append(path: Path, rows: list[dict]) -> Iterator[_Rows]:
    """The file, ready for more rows; an incomplete last line is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if rows:
        complete = path.read_bytes().splitlines(keepends=True)[: 1 + len(rows)]
        os.truncate(path, sum(map(len, complete)))
    with path.open("a" if rows else "w", newline="", encoding="utf-8") as file:
        writer = _Rows(file)
        if not rows:
            writer.head()
        yield writer


def _resume(path: Path, inputs: np.ndarray, device: Board) -> list[dict]:
    """The rows that an earlier run left in the file, if they belong to this benchmark."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True) if path.exists() else []
    if lines and lines[0].strip() != ",".join(COLUMNS):
        raise BenchmarkError(f"{path} is not a benchmark's results: choose another file")
    rows: list[dict] = []
    for line in csv.DictReader(line for line in lines if line.endswith("\n")):  # an incomplete last line is left out
        try:
            row: dict = {
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
                f"line {len(rows) + 2} of {path} cannot be read: start again with another file"
            ) from None
        rows.append(row)
    start_again = "choose another results file, or start again (resume=False, or --restart)"
    del rows[len(inputs) :]
    for position, (row, values) in enumerate(zip(rows, inputs, strict=False)):
        if row["row"] != position or row["image"] != _fingerprint(values):
            raise BenchmarkError(f"{path} holds the answers to other images: {start_again}")
        if row["model"] != device.info.model:
            raise BenchmarkError(
                f"{path} holds the answers of {row['model']}, but the board runs {device.info.model}: {start_again}"
            )
    if 0 < len(rows) < len(inputs):
        again = device.classify(inputs[len(rows) - 1]).scores
        if not np.allclose(again, rows[-1]["scores"], atol=1e-6):
            raise BenchmarkError(
                f"{path} holds the answers of another version of {device.info.model}: asked again, the board answers "
                f"{again[0]:.4f} and the file has {rows[-1]['scores'][0]:.4f}; {start_again}"
            )
    return rows


def _keep(path: Path) -> None:
    """Rename a results file with its date."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(path.stat().st_mtime))
    number = 0
    while (kept := path.with_name(f"{path.stem}-{stamp}{f'-{number}' if number else ''}{path.suffix}")).exists():
        number += 1
    path.rename(kept)
