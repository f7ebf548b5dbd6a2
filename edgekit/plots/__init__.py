"""The pictures of the lessons, in one style that is readable in JupyterLab's light and dark themes.

Each function returns a `Picture`. A notebook shows a picture that is the last value of a cell; ``picture.show()`` shows
it anywhere, and ``picture.savefig(path)`` saves it. Matplotlib is imported when the first picture is drawn.

    learning      loss, points, decision_boundary, output_against_noise, neurons
    classifying   images, confusion, roc, scores, agreement
    networks      feature_maps, costs, compare
    quantizing    quantization_steps, rounding, channels, histogram, noise, decibels, pairs
    deploying     arena, deployment
"""

from edgekit.plots._style import (
    BLUE,
    CLASS_COLORS,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PALETTE,
    PURPLE,
    RED,
    TEAL,
    figure,
    style,
)
from edgekit.plots.classifying import agreement, confusion, images, roc, scores
from edgekit.plots.deploying import arena, deployment
from edgekit.plots.learning import decision_boundary, loss, neurons, output_against_noise, points
from edgekit.plots.networks import compare, costs, feature_maps
from edgekit.plots.quantizing import channels, decibels, histogram, noise, pairs, quantization_steps, rounding

layers, network = neurons, feature_maps  # their names in notebooks of version 0.1

__all__ = [
    "BLUE",
    "CLASS_COLORS",
    "FAINT",
    "GREEN",
    "INK",
    "ORANGE",
    "PALETTE",
    "PURPLE",
    "RED",
    "TEAL",
    "agreement",
    "arena",
    "channels",
    "compare",
    "confusion",
    "costs",
    "decibels",
    "decision_boundary",
    "deployment",
    "feature_maps",
    "figure",
    "histogram",
    "images",
    "loss",
    "neurons",
    "noise",
    "output_against_noise",
    "pairs",
    "points",
    "quantization_steps",
    "roc",
    "rounding",
    "scores",
    "style",
]
