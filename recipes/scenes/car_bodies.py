"""Cars: a body lofted through cross-sections along its length, with windows, wheels, lights and plates.

A car stands on the ground at the origin and looks along +x. Lengths are metres.
"""

from dataclasses import dataclass, replace

import numpy as np

from recipes.scenes.mesh import GLASS, GLOW, MATTE, PAINT, RIM, box, ellipsoid, grid, join, quad, ring, tube


@dataclass(frozen=True)
class Body:
    """The outline of a car's side, from the front bumper (0) to the rear one (`length`), and its width.

    Attributes:
        length, width, height: overall.
        front_wheel, rear_wheel: where the axles are; `wheel` is the radius.
        nose, cowl, belt, tail: heights of the bonnet's front, of its rear, of the windows' lower edge, of the boot.
        windscreen: from where to where it rises; backlight: from where to where the rear window falls.
        open: a convertible with its roof down.
    """

    length: float
    width: float
    height: float
    front_wheel: float
    rear_wheel: float
    wheel: float
    nose: float
    cowl: float
    belt: float
    tail: float
    windscreen: tuple[float, float]
    backlight: tuple[float, float]
    clearance: float = 0.2
    open: bool = False


BODIES = {
    "saloon": Body(4.65, 1.80, 1.45, 0.90, 3.65, 0.32, 0.75, 0.94, 0.93, 1.00, (1.25, 2.00), (3.35, 4.00)),
    "hatchback": Body(4.10, 1.76, 1.48, 0.82, 3.38, 0.31, 0.77, 0.96, 0.95, 1.00, (1.02, 1.80), (3.55, 3.98)),
    "estate": Body(4.70, 1.80, 1.48, 0.90, 3.68, 0.32, 0.75, 0.95, 0.94, 1.02, (1.25, 2.00), (4.15, 4.58)),
    "city car": Body(3.50, 1.62, 1.50, 0.65, 2.98, 0.28, 0.80, 0.98, 0.97, 1.00, (0.80, 1.50), (3.02, 3.36)),
    "off-roader": Body(4.55, 1.90, 1.72, 0.85, 3.60, 0.38, 0.97, 1.10, 1.12, 1.14, (1.28, 1.85), (4.00, 4.42), 0.28),
    "people carrier": Body(4.60, 1.84, 1.68, 0.92, 3.72, 0.33, 0.82, 1.04, 1.03, 1.06, (0.85, 1.85), (4.10, 4.50)),
    "coupe": Body(4.40, 1.82, 1.32, 0.92, 3.50, 0.33, 0.67, 0.86, 0.88, 0.94, (1.45, 2.25), (2.85, 4.00), 0.16),
    "sports car": Body(4.40, 1.90, 1.18, 0.98, 3.58, 0.34, 0.58, 0.78, 0.82, 0.88, (1.20, 2.15), (2.75, 3.85), 0.13),
    "convertible": Body(
        4.35, 1.80, 1.34, 0.88, 3.45, 0.32, 0.70, 0.89, 0.90, 0.95, (1.40, 1.98), (3.10, 3.60), 0.16, open=True
    ),
    "limousine": Body(6.60, 1.88, 1.48, 0.95, 5.50, 0.33, 0.78, 0.96, 0.96, 1.00, (1.35, 2.10), (5.20, 5.90)),
    "classic": Body(4.20, 1.60, 1.50, 0.85, 3.30, 0.33, 0.84, 0.97, 0.96, 0.92, (1.35, 1.68), (2.95, 3.45)),
}

# Linear RGB, with how often: most cars are white, black or grey.
_PAINTS = (
    ((0.75, 0.75, 0.73), 4), ((0.02, 0.02, 0.022), 3), ((0.35, 0.36, 0.37), 3), ((0.10, 0.105, 0.11), 3),
    ((0.03, 0.07, 0.28), 2), ((0.05, 0.16, 0.45), 1), ((0.45, 0.015, 0.015), 2.5), ((0.55, 0.04, 0.02), 1),
    ((0.02, 0.12, 0.05), 1), ((0.62, 0.42, 0.03), 1), ((0.60, 0.18, 0.02), 0.7), ((0.40, 0.33, 0.22), 0.8),
    ((0.16, 0.30, 0.32), 0.6), ((0.18, 0.03, 0.05), 0.6), ((0.35, 0.48, 0.12), 0.3),
)  # fmt: skip


def paint(rng):
    """A colour that cars have: linear RGB (3,)."""
    share = np.array([weight for _, weight in _PAINTS])
    color = np.array(_PAINTS[rng.choice(len(_PAINTS), p=share / share.sum())][0])
    return np.clip(color * rng.uniform(0.75, 1.25) + rng.uniform(0, 0.015, 3), 0.008, 0.85)


def wheel(x, y, radius, side, rim, width=0.2, spokes=5):
    """A wheel whose outer face, at y, looks towards `side` (1 or -1)."""
    rubber = np.array([0.018, 0.018, 0.019])
    outer, inner = np.array([x, y, radius]), np.array([x, y - side * width, radius])
    share = 0.66
    return join(
        [
            tube(inner, outer, radius, rubber, sides=14),
            ring(outer, [0, side, 0], radius * share, radius, rubber, 14),
            ring(outer, [0, side, 0], 0, radius * share, rim, 14, RIM, spokes),
        ]
    )


def _stations(body):
    """x, waist height, upper height (roof or bonnet), width shares of waist and upper edge, along the car."""
    ws0, ws1 = body.windscreen
    bl0, bl1 = body.backlight
    length, top = body.length, body.height
    middle = ws1 + 0.48 * (bl0 - ws1)
    deck = min(body.tail, top - 0.2)
    return [
        (0.00, body.nose * 0.90, body.nose * 0.94, 0.80, 0.66),
        (0.14, body.nose * 0.98, body.nose + 0.02, 0.93, 0.78),
        (0.55 * ws0, body.nose + 0.6 * (body.cowl - body.nose), body.nose + 0.72 * (body.cowl - body.nose), 0.98, 0.80),
        (ws0, body.cowl - 0.03, body.cowl, 1.0, 0.84),
        (ws1, body.belt, top - 0.02, 1.0, 0.66),
        (middle - 0.06, body.belt, top, 1.0, 0.67),
        (middle + 0.06, body.belt, top, 1.0, 0.67),
        (bl0, body.belt + 0.02, top - 0.03, 1.0, 0.65),
        (bl1, deck - 0.04, deck, 0.98, 0.80),
        (max(length - 0.10, bl1 + 0.05), deck - 0.06, deck - 0.02, 0.94, 0.80),
        (max(length, bl1 + 0.10), deck * 0.86, deck * 0.90, 0.85, 0.74),
    ]


def _shell(body, color, trim, glass):
    """The body's left half, from sill to roof."""
    half, low = body.width / 2, body.clearance
    rows, cabin = [], range(4, 8)
    for i, (x, waist, upper, wide, narrow) in enumerate(_stations(body)):
        if body.open and i in cabin:
            upper, narrow = waist + 0.02, 0.93
        w, crown = half * wide, 0.03 if i in cabin else 0.02
        shoulder = upper - (0.10 if i in cabin and not body.open else 0.02)
        rows.append(
            [
                (x, w * 0.90, low),
                (x, w * 0.985, low + 0.14),
                (x, w, low + 0.55 * (waist - low)),
                (x, w * 0.965, waist),
                (x, half * narrow * (1.07 if i in cabin else 1.02), max(shoulder, waist + 0.005)),
                (x, half * narrow * 0.94, upper),
                (x, 0.0, upper + crown),
            ]
        )
    points = np.array(rows)
    points[..., 0] = body.length / 2 - points[..., 0]
    quads = (len(rows) - 1, points.shape[1] - 1)
    colors, materials = np.broadcast_to(color, (*quads, 3)).copy(), np.full(quads, PAINT)
    colors[:, 0], materials[:, 0] = trim, MATTE if trim[0] < 0.05 else PAINT
    if body.open:
        colors[4:7, 4:], materials[4:7, 4:] = (0.05, 0.035, 0.025), MATTE
    else:
        for i in (4, 6):  # the front and rear side windows; pillars stay between them
            colors[i, 3], materials[i, 3] = glass, GLASS
        for i in (3, 7):  # windscreen and rear window
            colors[i, 4:], materials[i, 4:] = glass, GLASS
        if body.backlight[1] - body.backlight[0] < 0.5 and body.length > 4.3:
            colors[7, 3], materials[7, 3] = glass, GLASS
    front, rear = points[[0, 0]].copy(), points[[-1, -1]].copy()
    for cap in (front, rear):
        cap[1, :, 1] = 0
    end, edge, z = body.length * 0.48, half * 0.88, low + 0.02
    floor = [(end, edge, z), (-end, edge, z), (-end, 0, z), (end, 0, z)]
    return [
        grid(points, colors, materials),
        grid(front, color, PAINT, smooth=False),
        grid(rear, color, PAINT, smooth=False),
        quad(*floor, (0.01, 0.01, 0.01)),
    ]


def _face(body, trim, lamps):
    """Lights, grille and number plates of the left half."""
    half, front, rear = body.width / 2, body.length / 2, -body.length / 2
    nose, tail = body.nose, min(body.tail, body.height - 0.2)

    def panel(x, y0, y1, z0, z1, color, material=MATTE, glow=0.0):
        x += 0.012 if x > 0 else -0.012
        return quad((x, y1, z0), (x, y0, z0), (x, y0, z1), (x, y1, z1), color, material, (glow, 0, 0, 0))

    lamp = (0.85, 0.85, 0.8) if lamps else (0.6, 0.62, 0.65)
    red = (0.6, 0.02, 0.02) if lamps else (0.32, 0.012, 0.012)
    parts = [
        panel(front, half * 0.46, half * 0.78, nose * 0.68, nose * 0.88, lamp, GLOW, 1.6 if lamps else 0.15),
        panel(front, 0, half * 0.42, nose * 0.66, nose * 0.84, (0.015, 0.015, 0.016)),
        panel(front, 0, half * 0.62, body.clearance + 0.02, body.clearance + 0.13, (0.02, 0.02, 0.02)),
        panel(front + 0.005, 0, 0.26, nose * 0.50, nose * 0.50 + 0.11, (0.75, 0.75, 0.7)),
        panel(rear, half * 0.52, half * 0.83, tail * 0.66, tail * 0.84, red, GLOW, 0.9 if lamps else 0.1),
        panel(rear - 0.005, 0, 0.26, tail * 0.55, tail * 0.55 + 0.11, (0.75, 0.75, 0.65)),
        panel(rear, 0, half * 0.80, body.clearance + 0.02, body.clearance + 0.16, np.maximum(trim, 0.02)),
        # The lights reach round the corners.
        quad((front - 0.02, half * 0.825, nose * 0.70), (front - 0.30, half * 0.965, nose * 0.74),
             (front - 0.30, half * 0.955, nose * 0.88), (front - 0.02, half * 0.81, nose * 0.86), lamp, GLOW,
             (1.2 if lamps else 0.1, 0, 0, 0)),
        quad((rear + 0.01, half * 0.865, tail * 0.66), (rear + 0.22, half * 0.965, tail * 0.68),
             (rear + 0.22, half * 0.955, tail * 0.86), (rear + 0.01, half * 0.85, tail * 0.84), red, GLOW,
             (0.7 if lamps else 0.08, 0, 0, 0)),
    ]  # fmt: skip
    mirror_x = front - body.windscreen[0] - 0.45
    parts.append(box((0.12, 0.2, 0.13), (mirror_x, half + 0.06, body.belt + 0.02), trim))
    return parts


def _seams(body):
    """Door gaps and handles of the left side: thin, but what makes a side a car's side."""
    half, front = body.width / 2, body.length / 2
    middle = body.windscreen[1] + 0.48 * (body.backlight[0] - body.windscreen[1])
    y, low, high = half * 1.004, body.clearance + 0.16, body.belt - 0.06
    parts = []
    for x in (
        front - body.windscreen[0] - 0.12,
        front - middle,
        front - min(body.backlight[0] + 0.1, body.rear_wheel - 0.2),
    ):
        parts.append(quad((x, y, low), (x - 0.02, y, low), (x - 0.02, y, high), (x, y, high), (0.01, 0.01, 0.01)))
    for x in (front - middle + 0.12, front - middle - 0.95):
        z = body.belt - 0.13
        parts.append(quad((x, y, z), (x + 0.2, y, z), (x + 0.2, y, z + 0.035), (x, y, z + 0.035), (0.3, 0.3, 0.3)))
    return parts


def _cabin(body, color):
    """What one sees of an open car: the windscreen in its frame, the seats, the bar behind them."""
    front, half = body.length / 2, body.width / 2
    x0, x1 = front - body.windscreen[0], front - body.windscreen[1]
    y0, y1 = half * 0.78, half * 0.66
    corners = [(x0, y0, body.cowl), (x0, 0, body.cowl + 0.02), (x1, 0, body.height), (x1, y1, body.height - 0.03)]
    parts = [quad(*corners, (0.06, 0.07, 0.075), GLASS)]
    parts.append(tube(corners[0], corners[3], 0.03, color, sides=5, material=PAINT))
    parts.append(tube(corners[2], corners[3], 0.025, color, sides=5, material=PAINT))
    for x in (x1 - 0.75, x1 - 1.45)[: 2 if body.length > 4.3 else 1]:
        parts.append(box((0.16, 0.5, 0.42), (x, 0.38, body.belt - 0.22), (0.09, 0.05, 0.03), taper=0.85))
        parts.append(ellipsoid((x, 0.38, body.belt + 0.26), (0.06, 0.14, 0.09), (0.09, 0.05, 0.03)))
    return parts


def car(kind, rng, lamps=False):
    """A car of one of the `BODIES`, with its own proportions, paint, trim and wheels.

    Args:
        kind: a key of `BODIES`.
        rng: `numpy.random.Generator`.
        lamps: with its lights on.

    Returns:
        the `Mesh` and the `Body` it was built to.
    """
    body = BODIES[kind]
    stretch, tall = rng.uniform(0.96, 1.05), rng.uniform(0.97, 1.03)
    body = replace(
        body,
        **{name: getattr(body, name) * stretch for name in ("length", "front_wheel", "rear_wheel")},
        **{name: getattr(body, name) * tall for name in ("height", "nose", "cowl", "belt", "tail")},
        windscreen=tuple(x * stretch for x in body.windscreen),
        backlight=tuple(x * stretch for x in body.backlight),
        wheel=body.wheel * rng.uniform(0.96, 1.05),
    )
    color = paint(rng)
    trim = color if rng.random() < 0.65 else np.array([0.03, 0.03, 0.032])
    glass = np.array([0.012, 0.014, 0.015]) + rng.uniform(0, 0.05)
    rim = np.full(3, rng.choice([0.55, 0.45, 0.3, 0.06], p=[0.4, 0.3, 0.2, 0.1]))
    spokes = int(rng.integers(5, 11))
    half = body.width / 2
    parts = [*_shell(body, color, trim, glass), *_face(body, trim, lamps), *_seams(body)]
    if body.open:
        parts += _cabin(body, color)
    for x in (body.front_wheel, body.rear_wheel):
        x = body.length / 2 - x
        parts.append(ring((x, half + 0.004, body.wheel), [0, 1, 0], 0, body.wheel * 1.16, (0.008, 0.008, 0.008), 14))
        parts.append(wheel(x, half + 0.015, body.wheel, 1, rim, spokes=spokes))
    left = join(parts)
    whole = [left, left.mirrored()]
    if kind in ("estate", "off-roader", "people carrier") and rng.random() < 0.4:
        for side in (-1, 1):
            y, z = side * half * 0.58, body.height + 0.06
            ends = (body.length / 2 - body.windscreen[1] - 0.15, body.length / 2 - body.backlight[0])
            whole.append(tube((ends[0], y, z), (ends[1], y, z), 0.025, (0.1, 0.1, 0.1), sides=5))
    if rng.random() < 0.04:
        whole.append(box((0.35, 0.6, 0.14), (0, 0, body.height), (0.75, 0.55, 0.05), taper=0.8))  # a taxi's sign
    return join(whole), body
