"""Draws triangles as a camera would see them, in NumPy: spans, a depth buffer, shadows from sun and sky, then light.

Visibility first, shading once: the rasterizer finds the nearest triangle of every pixel, and only what is seen is lit.
Triangles are set up in homogeneous coordinates (Olano and Greer 1997): with the corners (x w, y w, w) as the rows of a
matrix, one inverse gives all edge functions, and a triangle that passes behind the camera needs no clipping.
"""

from dataclasses import dataclass

import numpy as np

from recipes.scenes.mesh import BRICK, FACADE, FOLIAGE, GLASS, GLOW, PAINT, RIM

SHADOW_SIDE, SHADOW_REACH = 320, 13.0  # texels; metres from the centre to the edge


@dataclass(frozen=True)
class Light:
    """The weather, as light.

    Attributes:
        sun: (3,) unit vector towards the sun.
        sun_color, sky_color, horizon_color: (3,) linear RGB.
        haze: share of the light that the air replaces in one metre.
        clouds: 0 (clear) to 1 (covered).
    """

    sun: np.ndarray
    sun_color: np.ndarray
    sky_color: np.ndarray
    horizon_color: np.ndarray
    haze: float
    clouds: float


@dataclass(frozen=True)
class Camera:
    """Where it is, (3,) m; its axes right, down and forward as rows of (3, 3); focal length over the image's side."""

    position: np.ndarray
    axes: np.ndarray
    focal: float


def look(position, target, roll, focal):
    """A camera at `position` that looks at `target`, turned by `roll` radians about its axis."""
    forward = np.asarray(target, float) - position
    forward /= np.sqrt((forward**2).sum())
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.sqrt((right**2).sum())
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return Camera(np.asarray(position, float), np.stack([c * right + s * down, c * down - s * right, forward]), focal)


def _dot(a, b):
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def _rotated(v, axes):
    # Written out: a matrix product through BLAS may round differently on another processor.
    return np.stack([_dot(v, axis) for axis in axes], axis=-1)


def project(mesh, camera, side):
    """The mesh's corners in a square image: homogeneous (x w, y w, w), pixels, w in metres; (T, 3, 3)."""
    local = _rotated(mesh.positions - camera.position, camera.axes)
    x, y = (local[..., i] * (camera.focal * side) + local[..., 2] * (side / 2) for i in (0, 1))
    return np.stack([x, y, local[..., 2]], axis=-1)


def visible(corners, depth, side):
    """The nearest triangle of every pixel of a square image.

    Args:
        corners: (T, 3, 3), homogeneous image coordinates (x w, y w, w), pixels.
        depth: (T, 3); divided by w, the largest is the nearest. Ones for a perspective view.
        side: of the image.

    Returns:
        triangle (side * side,), -1 where there is none; nearness (side * side,); edges (T, 3, 3): a pixel (x, y) lies
        at the barycentric coordinates (x, y, 1) @ edges, each divided by their sum.
    """
    v0, v1, v2 = corners[:, 0], corners[:, 1], corners[:, 2]
    n0, n1, n2 = np.cross(v1, v2), np.cross(v2, v0), np.cross(v0, v1)
    det = _dot(v0, n0)
    flat = np.abs(det) < 1e-9
    edges = np.stack([n0, n1, n2], axis=2) / np.where(flat, 1, det)[:, None, None]
    nearest = np.zeros(side * side)
    triangle = np.full(side * side, -1)

    w = corners[:, :, 2]
    front = (w > 1e-3).all(1)
    kept = ~flat & (w > 1e-3).any(1)
    y = corners[:, :, 1] / np.where(front[:, None], w, 1)
    top = np.where(front, np.ceil(y.min(1) - 0.5), 0).clip(0, side).astype(int)
    bottom = np.where(front, np.floor(y.max(1) - 0.5) + 1, side).clip(0, side).astype(int)
    counts = np.where(kept, np.maximum(bottom - top, 0), 0)
    owner = np.repeat(np.arange(len(corners)), counts)
    if not len(owner):
        return triangle, nearest, edges
    row = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts) + top[owner]

    # Along a row each edge function is linear in x: it bounds the span on the left or on the right.
    slope = edges[owner, 0, :]
    rest = edges[owner, 1, :] * (row + 0.5)[:, None] + edges[owner, 2, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -rest / slope
    left = np.where(slope > 0, crossing, -np.inf).max(1)
    right = np.where(slope < 0, crossing, np.inf).min(1)
    empty = ((slope == 0) & (rest < 0)).any(1)
    left = np.ceil(left - 0.5).clip(0, side).astype(int)
    right = (np.floor(right - 0.5) + 1).clip(0, side).astype(int)
    lengths = np.where(empty, 0, np.maximum(right - left, 0))

    span = np.repeat(np.arange(len(owner)), lengths)
    x = np.arange(len(span)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + left[span]
    key_slope = (slope * depth[owner]).sum(1)
    key_rest = (rest * depth[owner]).sum(1)
    key = key_slope[span] * (x + 0.5) + key_rest[span]
    pixel = row[span] * side + x
    np.maximum.at(nearest, pixel, key)
    won = (key == nearest[pixel]) & (key > 0)
    triangle[pixel[won]] = owner[span[won]]
    return triangle, nearest, edges


class _Shadow:
    """What a far light sees: for any point, how much of it is hidden by something nearer to the light."""

    def __init__(self, mesh, towards, focus):
        self.towards = towards
        helper = np.array([1.0, 0, 0]) if abs(towards[0]) < 0.9 else np.array([0, 1.0, 0])
        right = np.cross(helper, towards)
        right /= np.sqrt((right**2).sum())
        self.axes = np.stack([right, np.cross(towards, right), towards])
        self.focus = focus
        place = self._place(mesh.positions)
        corners = np.concatenate([place[..., :2], np.ones_like(place[..., :1])], axis=-1)
        reached = ((place[..., :2].max(1) > 0) & (place[..., :2].min(1) < SHADOW_SIDE)).all(1)
        # Heights are kept positive: 0 stands for nothing seen.
        _, self.height, _ = visible(corners[reached], place[reached][..., 2] + 1000, SHADOW_SIDE)

    def _place(self, points):
        place = _rotated(points - self.focus, self.axes)
        place[..., :2] = (place[..., :2] / SHADOW_REACH + 1) * (SHADOW_SIDE / 2)
        return place

    def lit(self, points, normals, offsets, bias):
        """Share of `offsets` (K, 2), metres, from which the light is seen: (P,), 0 to 1."""
        facing = np.where(_dot(normals, self.towards)[:, None] < 0, -1, 1)
        place = self._place(points + facing * normals * bias)
        total = np.zeros(len(points))
        for offset in offsets:
            texel = np.floor(place[:, :2] + offset * (SHADOW_SIDE / 2 / SHADOW_REACH)).astype(int)
            inside = ((texel >= 0) & (texel < SHADOW_SIDE)).all(1)
            texel = texel.clip(0, SHADOW_SIDE - 1)
            total += ~inside | (self.height[texel[:, 1] * SHADOW_SIDE + texel[:, 0]] <= place[:, 2] + 1000 + bias)
        return total / len(offsets)


class Noise:
    """Smooth random values over the plane, repeating after 64 cells."""

    def __init__(self, rng):
        self.values = rng.random((64, 64))

    def __call__(self, u, v):
        u, v = np.nan_to_num(u), np.nan_to_num(v)
        i, j = np.floor(u), np.floor(v)
        fu, fv = u - i, v - j
        fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
        i, j = i.astype(np.int64) % 64, j.astype(np.int64) % 64
        i1, j1 = (i + 1) % 64, (j + 1) % 64
        low = self.values[i, j] * (1 - fu) + self.values[i1, j] * fu
        high = self.values[i, j1] * (1 - fu) + self.values[i1, j1] * fu
        return low * (1 - fv) + high * fv

    def cell(self, u, v):
        """One value for each unit square."""
        return self.values[np.floor(u).astype(np.int64) % 64, np.floor(v).astype(np.int64) % 64]


def render(mesh, ground, camera, light, focus, side, rng):
    """The picture, before the camera's electronics.

    Args:
        mesh: everything that stands on the ground.
        ground: a function of (points, noise) -> (albedo (P, 3), gloss (P,)).
        camera: a `Camera`.
        light: a `Light`.
        focus: (3,), where shadows are computed.
        side: of the image, pixels.
        rng: for textures.

    Returns:
        linear RGB (side, side, 3) and the triangle of every pixel (side, side), -1 for ground and sky.
    """
    noise = Noise(rng)
    corners = project(mesh, camera, side)
    triangle, nearness, edges = visible(corners, np.ones(corners.shape[:2]), side)

    grid = np.arange(side) + 0.5
    px, py = np.tile(grid, side), np.repeat(grid, side)
    scale = camera.focal * side
    ray = np.stack([(px - side / 2) / scale, (py - side / 2) / scale, np.ones(side * side)], axis=-1)
    ray = sum(ray[:, i : i + 1] * camera.axes[i] for i in range(3))  # one metre forward each
    with np.errstate(divide="ignore"):
        to_ground = np.where(ray[:, 2] < -1e-6, -camera.position[2] / ray[:, 2], np.inf)
    with np.errstate(divide="ignore"):
        to_mesh = np.where(triangle >= 0, 1 / nearness, np.inf)
    triangle = np.where(to_mesh <= to_ground, triangle, -1)
    distance = np.minimum(to_mesh, to_ground)
    on_ground = np.flatnonzero((triangle < 0) & (distance < 300))
    on_mesh = np.flatnonzero(triangle >= 0)

    direction = ray / np.sqrt(_dot(ray, ray))[:, None]
    image = _sky(direction, light, noise)
    shadows = _Shadow(mesh, light.sun, focus), _Shadow(mesh, np.array([0, 0, 1.0]), focus)
    softness = 0.03 + 0.25 * light.clouds
    taps = rng.normal(0, 1, (4, 2)) * softness, rng.normal(0, 1, (8, 2)) * 0.45

    seen = np.concatenate([on_mesh, on_ground])
    points = camera.position + ray[seen] * distance[seen, None]
    t = triangle[on_mesh]
    barycentric = px[on_mesh, None] * edges[t, 0] + py[on_mesh, None] * edges[t, 1] + edges[t, 2]
    barycentric /= barycentric.sum(1, keepdims=True)

    def interpolated(values):
        return (barycentric[:, :, None] * values[t]).sum(1)

    normal = interpolated(mesh.normals)
    normal /= np.maximum(np.sqrt(_dot(normal, normal)), 1e-9)[:, None]
    normal *= np.where(_dot(normal, direction[on_mesh]) > 0, -1, 1)[:, None]
    surface = _surface(mesh, t, interpolated(mesh.uv), points[: len(t)], normal, noise)
    albedo, gloss = ground(points[len(t) :], noise)
    up = np.broadcast_to([0, 0, 1.0], (len(on_ground), 3))
    normal = np.concatenate([normal, up])
    albedo, gloss = np.concatenate([surface[0], albedo]), np.concatenate([surface[1], gloss])
    glow = np.concatenate([surface[2], np.zeros(len(on_ground))])

    sunlit = shadows[0].lit(points, normal, taps[0], 0.12) * np.maximum(_dot(normal, light.sun), 0)
    open_sky = 0.25 + 0.75 * shadows[1].lit(points, normal, taps[1], 0.10)
    ambient = (0.62 + 0.38 * normal[:, 2]) * open_sky
    color = albedo * (
        sunlit[:, None] * light.sun_color + ambient[:, None] * (light.sky_color * 0.6 + light.horizon_color * 0.4)
    )
    along = _dot(direction[seen], normal)
    mirrored = direction[seen] - 2 * along[:, None] * normal
    # Schlick's approximation of Fresnel's equations.
    reflectance = gloss * (0.06 + 0.94 * (1 - np.minimum(np.abs(along), 1)) ** 5)
    color = color * (1 - reflectance[:, None]) + reflectance[:, None] * _surroundings(mirrored, light, noise)
    highlight = np.maximum(_dot(mirrored, light.sun), 0) ** 60 * gloss * (sunlit > 0)
    color = color + 0.7 * highlight[:, None] * light.sun_color + glow[:, None] * albedo
    length = distance[seen] * np.sqrt(_dot(ray[seen], ray[seen]))
    through = np.exp(-light.haze * length)[:, None]
    image[seen] = color * through + light.horizon_color * (1 - through)
    return image.reshape(side, side, 3), triangle.reshape(side, side)


def _sky(direction, light, noise):
    height = np.maximum(direction[:, 2], 0)[:, None]
    color = light.horizon_color + (light.sky_color - light.horizon_color) * np.minimum(height * 1.8, 1) ** 0.6
    u, v = (direction[:, i] / (direction[:, 2] + 0.25) for i in (0, 1))
    cloud = noise(u * 2, v * 2) * 0.55 + noise(u * 5, v * 5) * 0.3 + noise(u * 11, v * 11) * 0.15
    cover = np.clip((cloud - 0.75 + 0.5 * light.clouds) * 4, 0, 1)[:, None] * np.minimum(height * 6, 1)
    return color * (1 - cover) + light.horizon_color * (0.75 + 0.4 * cloud[:, None]) * cover


def _surroundings(direction, light, noise):
    """What shiny surfaces mirror: sky above, dark houses and trees at the horizon, the road below."""
    around = np.arctan2(direction[:, 1], direction[:, 0]) * 3
    skyline = 0.08 + 0.28 * noise(around, np.zeros_like(around))
    sky = _sky(direction, light, noise)
    dark = np.where(direction[:, 2:] > 0, light.horizon_color * 0.18, light.horizon_color * 0.12)
    return np.where(direction[:, 2:] > skyline[:, None], sky, dark)


def _surface(mesh, t, uv, points, normal, noise):
    """Albedo (P, 3), gloss (P,) and glow (P,) of the triangles `t` at the given places."""
    material, pattern = mesh.material[t], mesh.pattern[t]
    albedo = mesh.color[t].copy()
    gloss, glow = np.full(len(t), 0.15), np.zeros(len(t))
    gloss[material == PAINT] = 1.0
    gloss[material == GLASS] = 2.2
    glow[material == GLOW] = pattern[material == GLOW, 0]
    rough = np.flatnonzero((material != PAINT) & (material != GLASS) & (material != GLOW))
    where = points[rough]
    grain = noise(where[:, 0] * 9 + where[:, 2] * 5, where[:, 1] * 9 + where[:, 2] * 7)
    albedo[rough] *= (0.86 + 0.28 * grain)[:, None]

    leaf = np.flatnonzero(material == FOLIAGE)
    where = points[leaf]
    tuft = noise(where[:, 0] * 6 + where[:, 2] * 3, where[:, 1] * 6 - where[:, 2] * 4)
    tuft = tuft * noise(where[:, 0] * 17 + where[:, 2] * 13, where[:, 1] * 15 + where[:, 2] * 11)
    albedo[leaf] *= (0.35 + 2.2 * tuft)[:, None]
    gloss[leaf] = 0.0

    rim = np.flatnonzero(material == RIM)
    radius, angle, spokes = uv[rim, 0], uv[rim, 1], pattern[rim, 0]
    solid = (np.cos(angle * spokes) > -0.1) | (radius > 0.86) | (radius < 0.28)
    albedo[rim] = np.where(solid[:, None], albedo[rim], 0.02)
    gloss[rim] = 0.6

    wall = np.flatnonzero((material == FACADE) | (material == BRICK))
    courses = noise.cell(uv[wall, 0] * 4 + np.floor(uv[wall, 1] * 12) * 0.5, uv[wall, 1] * 12)
    albedo[wall] *= np.where(material[wall] == BRICK, 0.7 + 0.5 * courses, 1)[:, None]
    facade = np.flatnonzero(material == FACADE)
    window, frame, cell = _windows(uv[facade], pattern[facade], noise)
    pane = np.stack([0.03 + 0.25 * cell**3, 0.04 + 0.22 * cell**3, 0.05 + 0.2 * cell**3], axis=-1)
    albedo[facade] = np.where(window[:, None], pane, np.where(frame[:, None], 0.7, albedo[facade]))
    gloss[facade] = np.where(window, 1.5, 0.05)
    return albedo, gloss, glow


def _windows(uv, pattern, noise):
    """Which points of a facade are window panes and which are frames, and a random number for each window."""
    across, up, seed, share = pattern.T
    across, up = np.maximum(across, 0.1), np.maximum(up, 0.1)
    column, row = np.floor(uv[:, 0] / across), np.floor(uv[:, 1] / up)
    u, v = uv[:, 0] / across - column, uv[:, 1] / up - row
    cell = noise.cell(column + seed, row + 7 * seed)
    half = 0.5 * share
    window = (np.abs(u - 0.5) < half) & (np.abs(v - 0.55) < half * 0.95)
    frame = (np.abs(u - 0.5) < half + 0.04) & (np.abs(v - 0.55) < half * 0.95 + 0.04)
    cross = (np.abs(u - 0.5) < 0.02) & (cell > 0.4)
    return window & ~cross, frame, cell
