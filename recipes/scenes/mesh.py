"""Surfaces made of triangles: the few shapes that cars, houses, trees and people are put together from.

Lengths are metres; x and y lie on the ground, z points up.
"""

from dataclasses import dataclass

import numpy as np

# The materials of surfaces; renderer.py defines how each looks.
MATTE, PAINT, GLASS, FACADE, FOLIAGE, RIM, GLOW, BRICK = range(8)


@dataclass(eq=False)
class Mesh:
    """T triangles.

    Attributes:
        positions: (T, 3, 3), three corners.
        normals: (T, 3, 3), unit, one for each corner; either side may face out.
        uv: (T, 3, 2), metres along the surface, for patterns.
        color: (T, 3), linear RGB, 0 to 1.
        material: (T,), one of the constants above.
        pattern: (T, 4), numbers for the material: for FACADE the windows' spacing across and up, a seed and a style.
    """

    positions: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    color: np.ndarray
    material: np.ndarray
    pattern: np.ndarray

    def __len__(self):
        return len(self.positions)

    def placed(self, x=0.0, y=0.0, z=0.0, yaw=0.0):
        """Turned about the vertical by `yaw` (radians), then moved."""
        c, s = np.cos(yaw), np.sin(yaw)

        def turned(v):
            return np.stack([c * v[..., 0] - s * v[..., 1], s * v[..., 0] + c * v[..., 1], v[..., 2]], axis=-1)

        moved = turned(self.positions) + np.array([x, y, z])
        return Mesh(moved, turned(self.normals), self.uv, self.color, self.material, self.pattern)

    def mirrored(self):
        """The other side of something symmetric: y becomes -y."""
        flip = np.array([1.0, -1.0, 1.0])
        return Mesh(self.positions * flip, self.normals * flip, self.uv, self.color, self.material, self.pattern)


def join(meshes):
    """Several meshes as one."""
    meshes = [mesh for mesh in meshes if len(mesh)]
    parts = ("positions", "normals", "uv", "color", "material", "pattern")
    return Mesh(*(np.concatenate([getattr(mesh, part) for mesh in meshes]) for part in parts))


def _unit(v):
    return v / np.maximum(np.sqrt((v * v).sum(-1, keepdims=True)), 1e-12)


def grid(points, color, material=MATTE, smooth=True, uv=None, pattern=(0, 0, 0, 0)):
    """A sheet of quads over a grid of points.

    Args:
        points: (R, K, 3).
        color: (3,) or (R - 1, K - 1, 3), one for each quad.
        material: a number or (R - 1, K - 1).
        smooth: round the edges between quads by averaging their normals.
        uv: (R, K, 2).
        pattern: (4,), for all quads.
    """
    points = np.asarray(points, float)
    rows, columns = points.shape[0] - 1, points.shape[1] - 1
    a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]
    face = np.cross(c - a, d - b)
    if smooth:
        corner = np.zeros_like(points)
        for rows_part in (slice(0, -1), slice(1, None)):
            for columns_part in (slice(0, -1), slice(1, None)):
                corner[rows_part, columns_part] += face
        corner = _unit(corner)
    else:
        corner = None
    uv = np.zeros((*points.shape[:2], 2)) if uv is None else np.asarray(uv, float)

    def triangles(values):
        a, b, c, d = values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]
        pairs = np.stack([np.stack([a, b, c], axis=2), np.stack([a, c, d], axis=2)], axis=2)
        return pairs.reshape(-1, 3, values.shape[-1])

    def spread(values, width):
        values = np.broadcast_to(np.asarray(values, float), (rows, columns, width))
        return np.repeat(values.reshape(-1, width), 2, axis=0)

    normals = triangles(corner) if smooth else np.repeat(spread(_unit(face), 3)[:, None, :], 3, axis=1)
    materials = spread(np.broadcast_to(material, (rows, columns))[..., None], 1)[:, 0].astype(np.int64)
    return Mesh(triangles(points), normals, triangles(uv), spread(color, 3), materials, spread(pattern, 4))


def quad(a, b, c, d, color, material=MATTE, pattern=(0, 0, 0, 0)):
    """A flat four-cornered sheet; uv runs from a, in metres, along a-b and a-d."""
    a, b, c, d = (np.asarray(p, float) for p in (a, b, c, d))
    across, up = np.sqrt(((b - a) ** 2).sum()), np.sqrt(((d - a) ** 2).sum())
    uv = [[[0, 0], [across, 0]], [[0, up], [across, up]]]
    return grid([[a, b], [d, c]], color, material, smooth=False, uv=uv, pattern=pattern)


def box(size, center, color, material=MATTE, pattern=(0, 0, 0, 0), taper=1.0):
    """A box without its bottom, of `size` (x, y, z), standing on `center` (x, y, z); `taper` narrows its top."""
    hx, hy, top = size[0] / 2, size[1] / 2, size[2]
    x, y, z = center
    low = [(x + sx * hx, y + sy * hy, z) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    high = [(x + sx * hx * taper, y + sy * hy * taper, z + top) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    sides = [quad(low[i], low[(i + 1) % 4], high[(i + 1) % 4], high[i], color, material, pattern) for i in range(4)]
    lid = quad(*high, color, MATTE if material in (FACADE, BRICK) else material)
    return join([*sides, lid])


def tube(start, end, radius, color, end_radius=None, sides=8, material=MATTE, caps=False):
    """A cylinder or cone between two points."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    axis = _unit(end - start)
    side = _unit(np.cross(axis, [1.0, 0, 0] if abs(axis[0]) < 0.9 else [0, 1.0, 0]))
    other = np.cross(axis, side)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[:, None]
    ring = np.cos(angle) * side + np.sin(angle) * other
    radii = [radius, radius if end_radius is None else end_radius]
    rings = [start + radii[0] * ring, end + radii[1] * ring]
    if caps:
        rings = [start + 0 * ring, *rings, end + 0 * ring]
    return grid(np.stack(rings), color, material, smooth=not caps)


def ellipsoid(center, radii, color, material=MATTE, sides=8, rings=6):
    """A ball, stretched along the axes."""
    around = np.linspace(0, 2 * np.pi, sides + 1)[None, :]
    up = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)[:, None]
    ball = np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up) + 0 * around], axis=-1)
    return grid(np.asarray(center) + ball * np.asarray(radii), color, material)


def ring(center, axis, inner, outer, color, sides=12, material=MATTE, spokes=0.0):
    """A flat ring (a disc where `inner` is 0) facing along `axis`; for RIM, uv is radius and angle."""
    axis = _unit(np.asarray(axis, float))
    side = _unit(np.cross(axis, [0, 0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0, 0]))
    other = np.cross(axis, side)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    circle = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other
    points = np.stack([np.asarray(center) + inner * circle, np.asarray(center) + outer * circle])
    uv = np.stack([np.stack([np.full_like(angle, r), angle], axis=-1) for r in (inner / outer, 1.0)])
    return grid(points, color, material, smooth=False, uv=uv, pattern=(spokes, 0, 0, 0))
