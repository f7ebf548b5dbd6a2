"""Composes one street: its ground, what stands along it, the weather, the subject and the camera.

In the spirit of domain randomization (Tremblay et al. 2018, https://arxiv.org/abs/1804.06516): everything that does not
make a car a car is drawn at random, and drawn the same way for pictures with and without one.
"""

from dataclasses import dataclass, replace

import numpy as np

from recipes.scenes import car_bodies, things
from recipes.scenes.camera import photograph
from recipes.scenes.mesh import Mesh, join
from recipes.scenes.renderer import Light, look, project, render, visible

SIDE, SUPERSAMPLING = 96, 3
# A picture counts as one with a car when its car covers this share of it, and this share of the car is not hidden.
MIN_COVER, MIN_SEEN = 0.045, 0.45


@dataclass(frozen=True)
class Street:
    """The ground's plan: a road along x, `road` m wide, pavements, then gardens up to the house line."""

    road: float
    pavement: float
    houses: float
    square: bool
    asphalt: float
    wet: float
    snow: bool
    marks: bool
    verge: tuple


def ground_of(street):
    """The ground's albedo and gloss at any point."""

    def ground(points, noise):
        x, y = points[:, 0], points[:, 1]
        grain = 0.8 + 0.25 * noise(x * 1.3, y * 1.3) + 0.2 * noise(x * 11, y * 11)
        off = np.abs(y)
        color = np.repeat((street.asphalt * grain)[:, None], 3, axis=1)
        if street.marks:
            edge = (np.abs(off - street.road / 2 + 0.25) < 0.07) | ((np.abs(y) < 0.08) & (x % 6 < 3))
            if street.square:
                edge = (np.abs(x % 2.6 - 1.3) < 0.06) & (off > 2.5)
            color[edge] = 0.55
        if not street.square:
            half = street.road / 2
            paving = (off > half) & (off < half + street.pavement)
            joint = (x % 0.6 < 0.03) | (off % 0.6 < 0.03)
            color = np.where(paving[:, None], (0.24 * grain * np.where(joint, 0.7, 1))[:, None], color)
            color = np.where(((off > half) & (off < half + 0.15))[:, None], 0.33, color)
            garden = off >= half + street.pavement
            tuft = 0.6 + 0.8 * noise(x * 5, y * 5) * noise(x * 23, y * 23) + 0.3 * noise(x * 0.7, y * 0.7)
            color = np.where(garden[:, None], np.array(street.verge) * tuft[:, None], color)
        gloss = np.where(off < street.road / 2, 0.05 + street.wet, 0.03)
        if street.snow:
            cover = np.clip(noise(x * 0.8, y * 0.8) * 3 - 0.5 - 1.2 * (off < street.road / 2), 0, 1)[:, None]
            color = color * (1 - cover) + 0.75 * cover
        return color * (1 - 0.45 * street.wet * (off < street.road / 2)[:, None]), gloss

    return ground


def _street(rng):
    verge = [(0.07, 0.13, 0.03), (0.12, 0.15, 0.05), (0.2, 0.17, 0.12)][rng.choice(3, p=[0.6, 0.25, 0.15])]
    return Street(
        road=rng.uniform(5.5, 9.5),
        pavement=rng.uniform(1.5, 3.0),
        houses=rng.uniform(7.5, 14),
        square=rng.random() < 0.2,
        asphalt=rng.uniform(0.05, 0.2),
        wet=rng.uniform(0.3, 1.0) if rng.random() < 0.2 else 0.0,
        snow=rng.random() < 0.06,
        marks=rng.random() < 0.7,
        verge=verge,
    )


def _light(rng):
    """Sun, sky and air. Returns the light and whether it is night."""
    clouds = rng.choice([rng.uniform(0, 0.4), 1.0], p=[0.6, 0.4])
    height, around = rng.uniform(0.2, 1.3), rng.uniform(0, 2 * np.pi)
    sun = np.array([np.cos(height) * np.cos(around), np.cos(height) * np.sin(around), np.sin(height)])
    warm = np.array([1.0, 0.93 - 0.25 * np.exp(-3 * height), 0.82 - 0.5 * np.exp(-3 * height)])
    strength = rng.uniform(1.2, 2.2) * (0.12 if clouds == 1 else 1)
    sky = np.array([0.30, 0.48, 0.85]) * (1 - 0.75 * clouds) + np.array([0.62, 0.65, 0.70]) * 0.75 * clouds
    horizon = np.array([0.72, 0.78, 0.86]) * (1 - 0.3 * clouds)
    night = rng.random() < 0.08
    if night:
        strength, sky, horizon = strength * 0.25, sky * 0.10, horizon * np.array([0.16, 0.13, 0.10])
        sun[2] = max(sun[2], 0.6)
        sun /= np.sqrt((sun**2).sum())
    haze = rng.uniform(0.02, 0.06) if rng.random() < 0.1 else rng.uniform(0, 0.006)
    return Light(sun, warm * strength, sky, horizon, haze, clouds), night


def _surroundings(street, rng):
    """What lines the street within sight, without a car. Returns meshes and (x, y, radius) of what blocks a camera."""
    meshes, blocks = [], []

    def put(mesh, x, y, yaw=0.0):
        meshes.append(mesh.placed(x, y, 0, yaw))
        reach = np.sqrt((mesh.positions[..., :2] ** 2).sum(-1).max())
        blocks.append((x, y, reach))

    built = rng.random() < 0.8
    for side in (-1, 1):
        x = -45.0
        while built and x < 45:
            width = rng.uniform(6, 14)
            mesh, depth = things.house(rng, width)
            y = side * (street.houses + depth / 2 + rng.uniform(0, 2))
            meshes.append(mesh.placed(x + width / 2, y))
            x += width + rng.choice([0, rng.uniform(1, 10)])
        edge = street.road / 2 + 0.6
        room = max(street.houses - edge - 0.8, 0.5)
        for make, mean in ((things.tree, 3.0), (things.bush, 2.0), (things.lamp, 1.5), (things.sign, 0.8),
                           (things.person, 1.2), (things.furniture, 1.2), (things.cycle, 0.5)):  # fmt: skip
            for _ in range(rng.poisson(mean * (1 if built else 1.6))):
                far = 1 if make in (things.tree, things.bush) else 0.3
                yaw = rng.choice([0, np.pi]) if make is not things.person else rng.uniform(0, 6.3)
                put(make(rng), rng.uniform(-28, 28), side * (edge + far * room * rng.random()), yaw)
    if rng.random() < 0.25:
        make = (things.crate, things.lorry, things.bus, things.motorcycle)[rng.integers(4)]
        put(make(rng), rng.choice([-1, 1]) * rng.uniform(14, 28), rng.choice([-1, 1]) * (street.road / 2 - 1.4))
    return meshes, blocks


@dataclass(frozen=True)
class Subject:
    """What the picture is of: a mesh about its own origin, where it is put, and how large the camera takes it to be."""

    mesh: Mesh
    place: np.ndarray
    yaw: float
    extent: float
    height: float


def _camera(rng, street, subject):
    """A camera that has the subject in view: at random about it, as a pedestrian would hold it."""
    focal = 0.5 / np.tan(np.radians(rng.uniform(42, 68)) / 2)
    distance = subject.extent * focal / rng.uniform(0.45, 0.95)
    around = rng.uniform(0, 2 * np.pi)
    x, y = subject.place
    high = rng.choice([rng.uniform(0.7, 1.9), rng.uniform(1.9, 3.5)], p=[0.8, 0.2])
    position = np.array([x + distance * np.cos(around), y + distance * np.sin(around), high])
    limit = street.houses - 0.7
    position[1] = position[1].clip(-limit, limit)
    off = rng.uniform(-0.12, 0.12, 2) * distance / focal
    side = np.array([-np.sin(around), np.cos(around), 0])
    target = np.array([x, y, subject.height * 0.5]) + side * off[0] + np.array([0, 0, off[1] * 0.6])
    return look(position, target, rng.normal(0, 0.03), focal)


def _blocked(camera, blocks):
    return any((camera.position[0] - x) ** 2 + (camera.position[1] - y) ** 2 < (r + 0.3) ** 2 for x, y, r in blocks)


# How often each body is drawn: the everyday ones more.
_BODY_SHARES = {
    "saloon": 5, "hatchback": 5, "estate": 4, "city car": 3, "off-roader": 4, "people carrier": 2.5, "coupe": 2.5,
    "sports car": 3, "convertible": 3, "limousine": 1, "classic": 2,
}  # fmt: skip


def _drawn(rng, shares):
    """One of the keys, by its share."""
    weights = np.array(list(shares.values()), float)
    return list(shares)[rng.choice(len(shares), p=weights / weights.sum())]


def _car(rng, place, yaw, night):
    mesh, body = car_bodies.car(_drawn(rng, _BODY_SHARES), rng, night or rng.random() < 0.12)
    return Subject(mesh, place, yaw, body.length * 0.9, body.height)


def _further_cars(rng, street, night):
    """Cars farther along the road than the subject."""
    meshes, blocks = [], []
    for _ in range(rng.poisson(0.8)):
        kind = _drawn(rng, _BODY_SHARES)
        x = rng.choice([-1, 1]) * rng.uniform(6.5, 16)
        mesh, _ = car_bodies.car(kind, rng, night)
        y = rng.choice([-1, 1]) * (street.road / 2 - 1.1)
        mesh = mesh.placed(x, y, 0, rng.choice([0, np.pi]))
        meshes.append(mesh)
        blocks.append((*mesh.positions.mean((0, 1))[:2], 2.5))
    return meshes, blocks


def _no_car(rng, street, side, place, yaw):
    make = _drawn(rng, dict(things.SUBJECTS))
    mesh = make(rng)
    if make is things.house:
        mesh, depth = mesh
        place = np.array([0.0, side * (street.houses + depth / 2)])
    elif make in (things.tree, things.sign, things.bush, things.furniture, things.person) and rng.random() < 0.7:
        place = np.array([place[0], side * (street.road / 2 + rng.uniform(0.5, 1.5))])
    if make in (things.person, things.sign, things.animal, things.crate, things.cycle):
        yaw = rng.uniform(0, 2 * np.pi)
    span = mesh.positions.max((0, 1)) - mesh.positions.min((0, 1))
    # Small subjects are not always close: then the street is the picture.
    extent = max(span[0], span[1], span[2] * 0.9, rng.choice([0, 4.0], p=[0.6, 0.4])) * 0.9
    return Subject(mesh, place, yaw, min(extent, 9.0), min(span[2], 3.5))


def _in_the_way(rng, camera, place):
    """Now and then somebody or something between the camera and the subject."""
    if rng.random() >= 0.25:
        return []
    make = (things.person, things.cycle, things.sign, things.lamp, things.bush, things.tree)[rng.integers(6)]
    middle = place + rng.uniform(0.35, 0.7) * (camera.position[:2] - place) + rng.normal(0, 0.7, 2)
    if np.hypot(*(middle - camera.position[:2])) <= 1.8:
        return []
    return [make(rng).placed(*middle, 0, rng.uniform(0, 6.3))]


def _attempt(rng, with_car):
    """A picture; or None where the camera would stand inside something, or too little of the car would be seen."""
    street = _street(rng)
    light, night = _light(rng)
    side = rng.choice([-1, 1])
    lane = rng.choice([street.road / 2 - 1.1, street.road / 4])
    place, yaw = np.array([0.0, side * lane]), rng.choice([0, np.pi]) + rng.normal(0, 0.03)
    if street.square:
        place, yaw = rng.uniform(-2, 2, 2), rng.uniform(0, 2 * np.pi)
    meshes, blocks = _surroundings(street, rng)
    if with_car:
        subject = _car(rng, place, yaw, night)
        further = _further_cars(rng, street, night)
        meshes, blocks = meshes + further[0], blocks + further[1]
    else:
        subject = _no_car(rng, street, side, place, yaw)
    camera = _camera(rng, street, subject)
    if _blocked(camera, blocks):
        return None
    meshes += _in_the_way(rng, camera, subject.place)
    mesh = subject.mesh.placed(*subject.place, 0, subject.yaw)
    focus = np.array([*subject.place, 0.0])
    whole = join([mesh, *meshes])
    image, triangle = render(whole, ground_of(street), camera, light, focus, SIDE * SUPERSAMPLING, rng)
    if with_car:
        cover = ((triangle >= 0) & (triangle < len(mesh))).mean()
        if cover < MIN_COVER or cover < MIN_SEEN * _cover(mesh, camera):
            return None
    return photograph(image, SIDE, rng, night, rain=light.clouds == 1 and rng.random() < 0.15)


def _cover(mesh, camera):
    """The share of the picture that the mesh would cover if nothing hid it and the picture were unbounded.

    By a coarse view with a wide frame.
    """
    wide = 2.0
    corners = project(mesh, replace(camera, focal=camera.focal / wide), SIDE)
    triangle, _, _ = visible(corners, np.ones(corners.shape[:2]), SIDE)
    return (triangle >= 0).mean() * wide**2


def picture(seed, index, with_car):
    """One picture.

    Args:
        seed, index: whole numbers; the same two and `with_car` give the same picture.
        with_car: whether a car is its subject.

    Returns:
        uint8 (96, 96, 3), RGB.
    """
    attempt = 0
    while True:
        image = _attempt(np.random.default_rng([seed, index, attempt]), with_car)
        if image is not None:
            return image
        attempt += 1
