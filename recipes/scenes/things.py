"""Everything on a street that is not a car: houses, trees, people, cycles, signs, boxes, lorries and loose wheels.

Each function returns a `Mesh` that stands on the ground at the origin, its length along x. Lengths are metres.
Some of these things resemble a car by their size, windows or wheels: the network must not learn only those.
"""

import numpy as np

from recipes.scenes.car_bodies import wheel
from recipes.scenes.mesh import (
    BRICK,
    FACADE,
    FOLIAGE,
    GLASS,
    GLOW,
    MATTE,
    PAINT,
    box,
    ellipsoid,
    join,
    quad,
    ring,
    tube,
)

GREY, DARK, WOOD = np.array([0.3, 0.3, 0.3]), np.array([0.02, 0.02, 0.022]), np.array([0.16, 0.09, 0.045])


def bright(rng):
    """Any colour."""
    return np.clip(rng.random(3) ** 2 * 0.7 + 0.02, 0, 1)


def _wall(rng):
    walls = [
        (0.6, 0.56, 0.48),
        (0.32, 0.12, 0.08),
        (0.45, 0.33, 0.2),
        (0.7, 0.7, 0.68),
        (0.35, 0.35, 0.36),
        (0.5, 0.4, 0.3),
    ]
    return np.clip(
        np.array(walls[rng.integers(len(walls))]) * rng.uniform(0.7, 1.3) + rng.uniform(-0.03, 0.03, 3), 0.03, 0.9
    )


def house(rng, width=None):
    """A house with windows, doors and a roof. Returns the mesh and its depth (y)."""
    width = width or rng.uniform(6, 14)
    depth, height = rng.uniform(6, 9), rng.choice([2.8, 5.4, 5.8, 8.2, 11.0], p=[0.15, 0.3, 0.3, 0.15, 0.1])
    pattern = (rng.uniform(1.6, 3.2), rng.uniform(2.5, 2.9), rng.integers(0, 60), rng.uniform(0.35, 0.72))
    color = _wall(rng)
    parts = [box((width, depth, height), (0, 0, 0), color, FACADE if rng.random() < 0.92 else BRICK, pattern)]
    tiles = np.array([[0.25, 0.07, 0.04], [0.09, 0.09, 0.1], [0.16, 0.1, 0.07]][rng.integers(3)]) * rng.uniform(
        0.7, 1.3
    )
    if rng.random() < 0.7:
        top, e = height + rng.uniform(1.5, 3.0), 0.4
        w, d = width / 2 + e, depth / 2 + e
        for sy in (-1, 1):
            parts.append(quad((-w, sy * d, height), (w, sy * d, height), (w, 0, top), (-w, 0, top), tiles, BRICK))
        for sx in (-1, 1):
            x = sx * width / 2
            parts.append(quad((x, -depth / 2, height), (x, depth / 2, height), (x, 0, top), (x, 0, top), color))
        if rng.random() < 0.6:
            parts.append(box((0.6, 0.6, 1.3), (rng.uniform(-0.3, 0.3) * width, 0.6, top - 0.6), tiles, BRICK))
    for _ in range(rng.integers(1, 3)):
        x, sy = rng.uniform(-0.42, 0.42) * width, depth / 2 + 0.03
        door, wide = bright(rng) * 0.7, 0.55
        if rng.random() < 0.3:  # a garage's door: as wide as a car, with no car
            wide, door = 1.3, _wall(rng)
        for side in (-1, 1):
            parts.append(quad((x - wide, side * sy, 0), (x + wide, side * sy, 0), (x + wide, side * sy, 2.1),
                              (x - wide, side * sy, 2.1), door, BRICK if wide > 1 else MATTE))  # fmt: skip
    return join(parts), depth


def tree(rng, size=None):
    """A tree with a crown of leaves, or a conifer, or bare branches."""
    size = size or rng.uniform(3.5, 9)
    bark = WOOD * rng.uniform(0.5, 1.2)
    leaf = np.array([0.10, 0.17, 0.04]) * rng.uniform(0.6, 1.4) + rng.uniform(0, 0.03, 3)
    if rng.random() < 0.12:
        leaf = np.array([0.35, 0.16, 0.03]) * rng.uniform(0.7, 1.2)
    kind = rng.random()
    if kind < 0.2:
        parts = [tube((0, 0, 0), (0, 0, size * 0.3), 0.12, bark)]
        for i in range(4):
            low = size * (0.15 + 0.2 * i)
            parts.append(
                tube((0, 0, low), (0, 0, low + size * 0.35), size * 0.24 * (1 - 0.2 * i), leaf, 0.01, 9, FOLIAGE)
            )
        return join(parts)
    trunk = size * rng.uniform(0.3, 0.5)
    parts = [tube((0, 0, 0), (0, 0, trunk * 1.3), 0.03 * size, bark, 0.02 * size)]
    for _ in range(7 if kind > 0.9 else 4):
        a, reach = rng.uniform(0, 6.3), rng.uniform(0.1, 0.26) * size
        end = (reach * np.cos(a), reach * np.sin(a), trunk + rng.uniform(0.15, 0.5) * size)
        parts.append(tube((0, 0, trunk), end, 0.012 * size, bark, 0.006 * size, 5))
        if kind <= 0.9:
            parts.append(ellipsoid(end, np.full(3, size * rng.uniform(0.16, 0.27)), leaf, FOLIAGE, 9, 6))
    return join(parts)


def bush(rng):
    """A bush or a clipped hedge."""
    leaf = np.array([0.09, 0.16, 0.04]) * rng.uniform(0.6, 1.4)
    if rng.random() < 0.5:
        return box((rng.uniform(1.5, 5), rng.uniform(0.5, 0.9), rng.uniform(0.7, 1.8)), (0, 0, 0), leaf, FOLIAGE)
    blobs = [(rng.uniform(-0.8, 0.8), rng.uniform(-0.4, 0.4), rng.uniform(0.2, 0.6)) for _ in range(4)]
    return join([ellipsoid(blob, rng.uniform(0.4, 0.8, 3), leaf, FOLIAGE) for blob in blobs])


def person(rng, sitting=False):
    """A person, standing or walking; or seated with the hips at the origin's height of 0.95 m."""
    skin = np.array([0.5, 0.3, 0.2]) * rng.uniform(0.25, 1.2)
    coat, trousers, hair = bright(rng), bright(rng) * 0.5, rng.uniform(0.01, 0.2) * np.array([1, 0.7, 0.45])
    tall, step = rng.uniform(0.92, 1.08), rng.uniform(0, 0.35)
    hip = 0.92 * tall
    parts = []
    for side, sign in ((-1, 1), (1, -1)):
        foot = (sign * step, side * 0.1, 0.04)
        if sitting:
            knee = (0.35, side * 0.12, hip - 0.25)
            parts += [
                tube((0, side * 0.1, hip), knee, 0.08, trousers),
                tube(knee, (0.15, side * 0.12, 0.3), 0.06, trousers),
            ]
        else:
            parts += [
                tube((0, side * 0.1, hip), foot, 0.085, trousers, 0.055),
                ellipsoid(foot, (0.14, 0.05, 0.05), DARK),
            ]
        hand = (0.5, side * 0.25, hip + 0.1) if sitting else (-sign * step * 0.7, side * 0.27, hip - 0.05)
        parts += [tube((0, side * 0.2, hip + 0.5), hand, 0.055, coat, 0.04), ellipsoid(hand, np.full(3, 0.05), skin)]
    lean = 0.15 if sitting else 0.0
    parts += [
        ellipsoid((lean / 2, 0, hip + 0.28), (0.15, 0.23, 0.38), coat),
        ellipsoid((lean, 0, hip + 0.74), (0.10, 0.085, 0.13), skin),
        ellipsoid((lean - 0.02, 0, hip + 0.78), (0.105, 0.095, 0.11), hair),
    ]
    return join(parts)


def _spoked(x, radius, color, thick):
    parts = []
    for y in (-thick, thick):
        parts.append(ring((x, y, radius), [0, 1, 0], radius * 0.86, radius, color, 18))
    parts.append(tube((x, -thick, radius), (x, thick, radius), radius, color, sides=18))
    for a in np.linspace(0, np.pi, 5)[:-1]:
        dx, dz = 0.9 * radius * np.cos(a), 0.9 * radius * np.sin(a)
        parts.append(tube((x - dx, 0, radius - dz), (x + dx, 0, radius + dz), 0.008, GREY, sides=4))
    return parts


def cycle(rng):
    """A bicycle, sometimes with its rider."""
    r, color = rng.uniform(0.31, 0.35), bright(rng)
    parts = _spoked(0.52, r, DARK, 0.02) + _spoked(-0.52, r, DARK, 0.02)
    seat, crank, head = (-0.2, 0, 0.92), (-0.05, 0, 0.3), (0.38, 0, 0.88)
    for a, b in ((seat, crank), (crank, head), ((-0.15, 0, 0.8), head), (crank, (-0.52, 0, r)), (head, (0.52, 0, r)),
                 ((-0.15, 0, 0.8), (-0.52, 0, r)), ((0.34, -0.28, 1.02), (0.34, 0.28, 1.02))):  # fmt: skip
        parts.append(tube(a, b, 0.022, color, sides=5))
    parts.append(box((0.26, 0.14, 0.06), seat, DARK))
    if rng.random() < 0.45:
        parts.append(person(rng, sitting=True).placed(-0.15))
    return join(parts)


def motorcycle(rng):
    """A motorcycle or scooter, sometimes ridden."""
    color = bright(rng)
    parts = []
    for x in (0.68, -0.68):
        parts += [wheel(x, 0.07, 0.3, 1, GREY, 0.14), ring((x, -0.07, 0.3), [0, -1, 0], 0, 0.3, DARK)]
    parts += [
        ellipsoid((0.12, 0, 0.78), (0.32, 0.15, 0.16), color, PAINT),
        ellipsoid((-0.4, 0, 0.78), (0.4, 0.13, 0.09), DARK),
        box((0.5, 0.26, 0.35), (0, 0, 0.3), (0.12, 0.12, 0.12)),
        tube((0.68, 0, 0.3), (0.42, 0, 1.0), 0.04, GREY),
        tube((0.4, -0.35, 1.02), (0.4, 0.35, 1.02), 0.025, DARK),
        ellipsoid((0.6, 0, 0.86), (0.09, 0.1, 0.1), (0.7, 0.7, 0.65), GLOW),
    ]
    if rng.random() < 0.5:
        parts.append(person(rng, sitting=True).placed(-0.2, 0, 0.02))
    return join(parts)


def sign(rng):
    """A traffic sign: round, three-cornered or square, on its pole."""
    high, color = (
        rng.uniform(1.9, 2.5),
        np.array([[0.5, 0.02, 0.02], [0.02, 0.1, 0.5], [0.6, 0.5, 0.05]][rng.integers(3)]),
    )
    size = rng.uniform(0.3, 0.45)
    parts = [tube((0, 0, 0), (0, 0, high + size), 0.035, GREY, sides=6)]
    sides = int(rng.choice([16, 3, 4, 8]))
    for x, share, shade in ((0.04, 1.0, color), (0.045, 0.72, np.full(3, 0.75))):
        for side in (-1, 1):
            parts.append(ring((side * x, 0, high), [side, 0, 0], 0, size * share, shade, sides))
    return join(parts)


def lamp(rng):
    """A street lamp, a mast with wires, or traffic lights."""
    high = rng.uniform(4, 7)
    parts = [tube((0, 0, 0), (0, 0, high), 0.08, GREY * rng.uniform(0.2, 1), 0.05)]
    if rng.random() < 0.3:
        parts.append(box((0.3, 0.3, 0.9), (0, 0, 2.5), DARK))
        for i, color in enumerate(((0.05, 0.5, 0.1), (0.6, 0.35, 0.02), (0.7, 0.03, 0.02))):
            for side in (-1, 1):
                parts.append(ring((side * 0.16, 0, 2.65 + 0.28 * i), [side, 0, 0], 0, 0.1, color, 8, GLOW))
    else:
        parts += [
            tube((0, 0, high), (1.2, 0, high + 0.2), 0.04, GREY),
            box((0.5, 0.2, 0.1), (1.2, 0, high + 0.1), GREY),
        ]
    return join(parts)


def crate(rng):
    """A box about as large as a car or a van, without wheels: a container, a skip, a shed, a kiosk, a stack."""
    kind = rng.integers(6)
    color = bright(rng)
    long, wide, high = rng.uniform(2.2, 5.2), rng.uniform(1.5, 2.4), rng.uniform(1.0, 2.5)
    if kind == 0:  # a ribbed container
        parts = [box((long, wide, high), (0, 0, 0), color)]
        for x in np.arange(-long / 2 + 0.15, long / 2, 0.3):
            for side in (-1, 1):
                parts.append(box((0.1, 0.06, high - 0.1), (x, side * wide / 2, 0), color * 0.75))
        return join(parts)
    if kind == 1:  # a skip: wider above than below
        return join(
            [
                box((long * 0.8, wide, min(high, 1.5)), (0, 0, 0), color, taper=1.22),
                ellipsoid((0, 0, min(high, 1.5)), (long * 0.35, wide * 0.35, 0.4), WOOD, FOLIAGE),
            ]
        )
    if kind == 2:  # a shed or a kiosk with a window
        parts = [box((long, wide, 2.2), (0, 0, 0), _wall(rng), FACADE, (long / 2, 2.2, 3, 0.55))]
        parts.append(box((long + 0.4, wide + 0.4, 0.15), (0, 0, 2.2), color))
        return join(parts)
    if kind == 3:  # a shelter of glass
        parts = [
            quad((-long / 2, 0.6, 0.3), (long / 2, 0.6, 0.3), (long / 2, 0.6, 2.2), (-long / 2, 0.6, 2.2), DARK, GLASS)
        ]
        parts += [tube((x, y, 0), (x, y, 2.3), 0.05, GREY) for x in (-long / 2, long / 2) for y in (-0.6, 0.6)]
        parts += [box((long + 0.3, 1.6, 0.1), (0, 0, 2.3), color), box((long * 0.6, 0.4, 0.08), (0, 0.2, 0.45), WOOD)]
        return join(parts)
    if kind == 4:  # stacked boxes or bales
        return join(
            [
                box(
                    rng.uniform(0.5, 1.3, 3),
                    (rng.uniform(-1, 1), rng.uniform(-0.4, 0.4), level),
                    bright(rng) * 0.6,
                    BRICK,
                )
                for level in (0, 0, 0, 0.6, 0.9)
            ]
        )
    return box((long, wide, high), (0, 0, 0), color, PAINT if rng.random() < 0.5 else MATTE, taper=rng.uniform(0.8, 1))


def loose_wheels(rng):
    """Wheels without a car: a trailer, a hand cart, tyres stacked or leaning."""
    kind, rim = rng.integers(3), np.full(3, rng.uniform(0.2, 0.5))
    if kind == 0:
        long, color = rng.uniform(1.8, 3.2), bright(rng)
        parts = [
            box((long, 1.4, rng.uniform(0.4, 0.8)), (0, 0, 0.5), color),
            tube((long / 2, 0, 0.5), (long / 2 + 1.2, 0, 0.4), 0.05, GREY),
        ]
        parts += [wheel(-0.1, side * 0.85, 0.3, side, rim, 0.16) for side in (-1, 1)]
        return join(parts)
    if kind == 1:
        parts = [*_spoked(0.3, 0.35, DARK, 0.03), box((1.2, 0.8, 0.5), (0, 0, 0.45), WOOD * 1.5, taper=1.25)]
        parts += [tube((-0.5, y, 0.7), (-1.4, y, 0.8), 0.03, WOOD) for y in (-0.3, 0.3)]
        return join([*parts, *[mesh.placed(0, 0.8) for mesh in _spoked(0.3, 0.35, DARK, 0.03)]])
    parts = []
    for i in range(rng.integers(2, 6)):
        if rng.random() < 0.5:
            parts.append(tube((i * 0.5, 0, 0), (i * 0.5, 0, 0.9), 0.32, DARK, sides=14, caps=True))
        else:
            parts.append(wheel(i * 0.6 - 1, rng.uniform(-0.3, 0.3), 0.33, 1, rim).placed(yaw=rng.uniform(-0.5, 0.5)))
    return join(parts)


def lorry(rng):
    """A lorry: a cab, a high load behind it, and six wheels or more."""
    cab, load = bright(rng), bright(rng)
    long, high, wide = rng.uniform(5.0, 9.0), rng.uniform(2.3, 3.0), 2.4
    front = long / 2 + 2.1
    base = 0.75
    parts = [
        box((long, wide, 0.25), (0, 0, base), DARK),
        box((1.9, wide, rng.uniform(1.9, 2.4)), (front - 0.95, 0, base - 0.2), cab, PAINT, taper=0.96),
        quad((front - 0.02, -1.0, base + 0.95), (front - 0.02, 1.0, base + 0.95), (front - 0.05, 0.95, base + 1.75),
             (front - 0.05, -0.95, base + 1.75), DARK, GLASS),
        quad((front + 0.01, -1.0, base), (front + 0.01, 1.0, base), (front + 0.01, 1.0, base + 0.5),
             (front + 0.01, -1.0, base + 0.5), DARK),
    ]  # fmt: skip
    kind = rng.integers(3)
    if kind == 0:
        parts.append(box((long, wide + 0.1, high), (0, 0, base + 0.25), load))
    elif kind == 1:
        tank = tube(
            (-long / 2, 0, base + 1.3), (long / 2, 0, base + 1.3), 1.1, load, sides=16, material=PAINT, caps=True
        )
        parts.append(tank)
    else:
        parts += [
            box((long, wide, 1.1), (0, 0, base + 0.25), load),
            ellipsoid((0, 0, base + 1.3), (long * 0.4, 0.9, 0.5), WOOD),
        ]
    for side in (-1, 1):
        y = side * 1.22
        corners = [
            (front - 1.2, y, base + 0.95),
            (front - 0.3, y, base + 0.95),
            (front - 0.35, y, base + 1.7),
            (front - 1.2, y, base + 1.7),
        ]
        parts.append(quad(*corners, DARK, GLASS))
        for x in (front - 1.0, 0.1 * long, -long / 2 + 0.7, -long / 2 + 1.8):
            parts.append(wheel(x, side * (wide / 2 + 0.02), 0.5, side, np.full(3, 0.3), 0.3))
    return join(parts)


def bus(rng):
    """A bus or tram: long and tall, with a band of windows."""
    color, long, wide, high = bright(rng) + 0.05, rng.uniform(9, 12), 2.5, rng.uniform(2.9, 3.2)
    parts = [box((long, wide, high - 0.35), (0, 0, 0.35), color, PAINT)]
    for side in (-1, 1):
        y = side * (wide / 2 + 0.01)
        for x in np.arange(-long / 2 + 0.3, long / 2 - 1.2, 1.5):
            corners = [(x, y, 1.35), (x + 1.35, y, 1.35), (x + 1.35, y, 2.45), (x, y, 2.45)]
            parts.append(quad(*corners, DARK, GLASS))
        for x in (-long * 0.28, long * 0.32):
            parts.append(wheel(x, side * (wide / 2 + 0.02), 0.5, side, GREY, 0.3))
        x = side * (long / 2 + 0.01)
        parts.append(quad((x, -1.1, 1.1), (x, 1.1, 1.1), (x, 1.1, 2.5), (x, -1.1, 2.5), DARK, GLASS))
        parts.append(
            quad(
                (x, -0.8, 2.58), (x, 0.8, 2.58), (x, 0.8, 2.85), (x, -0.8, 2.85), (0.6, 0.4, 0.05), GLOW, (0.5, 0, 0, 0)
            )
        )
    return join(parts)


def animal(rng):
    """A horse, a cow or a dog, roughly."""
    coat, s = np.array([0.2, 0.12, 0.07]) * rng.uniform(0.2, 3.0), rng.choice([1.0, 0.9, 0.42])
    parts = [ellipsoid((0, 0, 1.15), (0.75, 0.28, 0.32), coat), ellipsoid((0.95, 0, 1.75), (0.28, 0.12, 0.14), coat)]
    parts.append(tube((0.6, 0, 1.3), (0.85, 0, 1.75), 0.2, coat, 0.12))
    parts.append(tube((-0.7, 0, 1.3), (-0.95, 0, 0.8), 0.06, coat * 0.6, 0.03))
    for x in (-0.5, 0.5):
        for y in (-0.16, 0.16):
            parts.append(tube((x, y, 1.1), (x + rng.uniform(-0.15, 0.15), y, 0), 0.1, coat, 0.06))
    mesh = join(parts)
    mesh.positions[...] *= s
    return mesh


def furniture(rng):
    """A bench, a bin, a letter box, a bollard row, a hydrant, a fence."""
    kind, color = rng.integers(5), bright(rng)
    if kind == 0:
        parts = [box((1.6, 0.4, 0.06), (0, 0, 0.42), WOOD), box((1.6, 0.05, 0.4), (0, 0.22, 0.5), WOOD)]
        return join([*parts, *[box((0.08, 0.4, 0.42), (x, 0, 0), DARK) for x in (-0.7, 0.7)]])
    if kind == 1:
        return join([box((0.6, 0.7, 1.0), (0, 0, 0), color, taper=1.1), box((0.7, 0.8, 0.1), (0, 0, 1.0), color * 0.7)])
    if kind == 2:
        return join([box((0.45, 0.4, 1.3), (0, 0, 0), color), ellipsoid((0, 0, 1.3), (0.225, 0.2, 0.2), color)])
    if kind == 3:
        return join([tube((x, 0, 0), (x, 0, 0.9), 0.08, color, caps=True) for x in (-2.4, -1.2, 0, 1.2, 2.4)])
    posts = [box((0.08, 0.04, 1.1), (x, 0, 0), color) for x in np.arange(-2.5, 2.5, 0.28)]
    return join([*posts, box((5.2, 0.05, 0.08), (0, 0, 0.8), color), box((5.2, 0.05, 0.08), (0, 0, 0.3), color)])


# The objects in the middle of a picture without a car, and how often each is chosen.
SUBJECTS = (
    (house, 3), (crate, 4), (lorry, 3), (bus, 2), (loose_wheels, 2.5), (person, 2), (cycle, 2), (motorcycle, 1.5),
    (tree, 1.5), (sign, 0.7), (animal, 1.2), (furniture, 1), (bush, 0.6),
)  # fmt: skip
