"""A thorax in Hounsfield units, slice by slice: what the CT, the PET-CT and the chest radiographs of the demo are made of.

The frame is the patient's (LPS): x to the left, y to the back, z here counts millimetres downwards from the apices of the lungs.
Proportions are an anatomist's sketch, not measurements.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from archipel.demo.paint import Canvas, Pixels, ellipse, power_law_field
from archipel.demo.uids import generator

HEIGHT_MM = 300.0
AIR, LUNG, FAT, MUSCLE, BLOOD, LIVER, SPONGY, CORTICAL = -1000, -862, -95, 48, 165, 95, 230, 720


@dataclass(frozen=True)
class Nodule:
    """A round lesion; positions and radius in mm, density in HU."""

    name: str
    x: float
    y: float
    z: float
    radius: float
    density: float


NODULES = (
    Nodule("1", -82.0, 18.0, 112.0, 7.5, 45.0),
    Nodule("2", 88.0, -22.0, 168.0, 4.5, 60.0),
    Nodule("3", -70.0, -48.0, 208.0, 11.0, 35.0),
    Nodule("4", 74.0, 52.0, 236.0, 5.5, -520.0),
)


class Thorax:
    """The anatomy of one person: vessels and texture are drawn once from a seed, then slices are painted at any size."""

    def __init__(self, seed: str, *, nodules: tuple[Nodule, ...] = NODULES) -> None:
        self.nodules = nodules
        self.vessels = np.concatenate([vessel_tree(seed, "right", -1), vessel_tree(seed, "left", 1)])
        self.texture = power_law_field(generator(seed, "lung texture"), 512, 512, 2.4)

    def slice(self, z: float, size: int, field_mm: float) -> Pixels:
        """The axial slice at depth ``z`` as (size, size) float32 HU over a square field."""
        canvas = Canvas.centred(size, size, field_mm / size, AIR)
        paint_table(canvas)
        paint_body(canvas, z)
        self.paint_lungs(canvas, z)
        paint_mediastinum(canvas, z)
        paint_skeleton(canvas, z)
        for nodule in self.nodules:
            rest = nodule.radius**2 - (z - nodule.z) ** 2
            if rest > 0:
                ellipse(canvas, nodule.x, nodule.y, sqrt(rest), sqrt(rest), nodule.density)
        return canvas.pixels

    def paint_lungs(self, canvas: Canvas, z: float) -> None:
        lungs = Canvas(np.full_like(canvas.pixels, -2000), canvas.pixel_mm, canvas.left_mm, canvas.top_mm)
        for side in (-1, 1):
            x, y, rx, ry = lung_outline(z, side)
            ellipse(lungs, x, y, rx, ry, LUNG)
            dome = (side * 78.0, -5.0, 318.0 if side < 0 else 330.0, 92.0)
            rest = dome[3] ** 2 - (z - dome[2]) ** 2
            if rest > 0 and rx > 0:
                ellipse(lungs, dome[0], dome[1], sqrt(rest) * 0.95, sqrt(rest) * 1.05, -2000)
        step = self.texture.shape[0] // canvas.pixels.shape[0] or 1
        grain = np.roll(self.texture, int(z * 7) % 512, axis=0)[::step, ::step][: canvas.pixels.shape[0], : canvas.pixels.shape[1]]
        inside = lungs.pixels > -1400
        canvas.pixels[inside] = (LUNG + 18 * grain)[inside]
        near = self.vessels[np.abs(self.vessels[:, 2] - z) < self.vessels[:, 3]]
        for x, y, depth, radius in near:
            reach = sqrt(radius**2 - (z - depth) ** 2)
            ellipse(canvas, x, y, reach, reach, 40)


def lung_outline(z: float, side: int) -> tuple[float, float, float, float]:
    """Centre and radii of a lung at depth z; side -1 is the patient's right."""
    part = np.clip(z / HEIGHT_MM, 0.0, 1.0)
    fullness = sqrt(sin(pi * (0.04 + 0.58 * part)))
    rx, ry = 60 * fullness, 86 * fullness
    return side * (34 + 0.86 * rx), 4 - 6 * part, rx, ry


def vessel_tree(seed: str, side_name: str, side: int) -> NDArray[np.float32]:
    """Arteries as overlapping spheres (x, y, z, radius), branching outwards from the hilum and thinning."""
    rng = generator(seed, "vessels", side_name)
    spheres: list[tuple[float, float, float, float]] = []
    growing = [(np.array([side * 34.0, 6.0, 135.0]), unit(np.array([side * 0.9, *rng.normal(0, 0.9, 2)])), 5.2) for _ in range(9)]
    while growing:
        point, direction, radius = growing.pop()
        step = min(3.2, radius)  # closer than a radius: a tube, not beads
        for _ in range(int(rng.uniform(16, 29) / step)):
            point = point + direction * step
            direction = unit(direction + rng.normal(0, 0.045 * step, 3))
            spheres.append((float(point[0]), float(point[1]), float(point[2]), radius))
        x, y, rx, ry = lung_outline(point[2], side)
        outside = ((point[0] - x) / rx) ** 2 + ((point[1] - y) / ry) ** 2 > 0.86 or not 8 < point[2] < 285
        if radius < 0.9 or outside:
            continue
        for _ in range(2):
            growing.append((point, unit(direction + rng.normal(0, 0.55, 3)), radius * float(rng.uniform(0.66, 0.82))))
    inside = [s for s in spheres if within_lung(s, side)]
    return np.array(inside, dtype=np.float32)


def within_lung(sphere: tuple[float, float, float, float], side: int) -> bool:
    x, y, rx, ry = lung_outline(sphere[2], side)
    return rx > 0 and ((sphere[0] - x) / rx) ** 2 + ((sphere[1] - y) / ry) ** 2 < 0.94


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def paint_table(canvas: Canvas) -> None:
    ellipse(canvas, 0, 60, 215, 92, -650)
    ellipse(canvas, 0, 54, 213, 92, AIR)


def paint_body(canvas: Canvas, z: float) -> None:
    shoulders = max(0.0, 1 - z / 70)
    rx, ry = 172 + 26 * shoulders, 118 - 10 * shoulders
    ellipse(canvas, 0, 2, rx, ry, FAT)
    ellipse(canvas, 0, 4, rx - 13, ry - 12, MUSCLE)
    for side in (-1, 1):
        ellipse(canvas, side * 60, 84, 46, 12, 55, angle=side * 0.25)
        if z > 90:  # pectoral fold fading into the breast
            ellipse(canvas, side * 78, -102, 48, 14, FAT, weight=0.8)
    if z > 215:
        part = (z - 215) / 85
        ellipse(canvas, -58, -8, 88 * sqrt(part), 84 * sqrt(part), LIVER)
        ellipse(canvas, 92, 42, 42 * part, 34 * part, 115)
        ellipse(canvas, 66, -42, 52 * part, 36 * part, 25)


def paint_mediastinum(canvas: Canvas, z: float) -> None:
    ellipse(canvas, 2, -6, 36, 62, FAT)
    ellipse(canvas, 0, 12, 30, 40, 42, weight=0.85)
    for x, y, depth, rx, ry, rz, value in (
        (24, -36, 196, 62, 50, 66, 130),  # heart
        (42, -28, 200, 38, 32, 46, BLOOD),  # left ventricle
        (-8, -52, 190, 30, 24, 44, BLOOD),  # right ventricle
        (4, -2, 172, 34, 18, 26, BLOOD),  # left atrium
    ):
        rest = 1 - ((z - depth) / rz) ** 2
        if rest > 0:
            ellipse(canvas, x, y, rx * sqrt(rest), ry * sqrt(rest), value)
    if z > 78:
        ellipse(canvas, 26, 46, 12.5, 12.5, 190)  # descending aorta
    if 84 < z < 160:
        ellipse(canvas, -12, -26, 15.5, 15.5, 190)  # ascending aorta
    if 72 < z <= 88:
        ellipse(canvas, 7, 10, 16, 42, 190, angle=-0.42)  # arch
    if z <= 76:
        for x, y, r in ((-22, -8, 7), (2, -12, 5.5), (16, 2, 5)):
            ellipse(canvas, x, y, r, r, 190)
    if 60 < z < 170:
        ellipse(canvas, -30, -18, 9, 9, 150)  # superior vena cava
    if z < 120:
        ellipse(canvas, 0, 20, 8.5, 9.5, AIR)  # trachea
    elif z < 165:
        spread = 8 + (z - 120) * 0.62
        for side in (-1, 1):
            ellipse(canvas, side * spread, 20, 6.2, 6.0, -980)
    ellipse(canvas, 6, 38, 6, 5, 35)  # oesophagus


def paint_skeleton(canvas: Canvas, z: float) -> None:
    disc = (z % 24) < 5
    ellipse(canvas, 0, 70, 20, 16, 110 if disc else CORTICAL)
    ellipse(canvas, 0, 70, 18, 14, 90 if disc else SPONGY)
    ellipse(canvas, 0, 94, 17, 12, CORTICAL, weight=0.9)
    ellipse(canvas, 0, 92, 9.5, 8.5, 30)
    ellipse(canvas, 0, 108, 3.5, 12, CORTICAL)
    if 70 < z < 225:
        ellipse(canvas, 0, -100, 17, 6, CORTICAL)
        ellipse(canvas, 0, -100, 15, 4, SPONGY)
    for side in (-1, 1):
        if z < 110:
            ellipse(canvas, side * (118 - z * 0.12), 74, 36, 4.0, CORTICAL, angle=side * -0.5)  # scapula
        if z < 26:
            ellipse(canvas, side * 66, -62 + z, 62, 6.5, 560, angle=side * 0.3)  # clavicle
        for number in range(12):
            paint_rib(canvas, z, side, 6 + number * 23.5)


def paint_rib(canvas: Canvas, z: float, side: int, origin: float) -> None:
    """A rib leaves the spine at depth ``origin`` and falls by 85 mm on its way to the front: one cross-section per slice."""
    part = (z - origin) / 85
    if not 0 <= part <= 1:
        return
    angle = pi * (0.66 - 1.12 * part)
    centre_x, centre_y, rx, ry = lung_outline(max(z, 24.0), side)
    rx, ry = rx + 8, ry + 8
    x, y = centre_x + side * rx * cos(angle), centre_y + ry * sin(angle)
    tangent = float(np.arctan2(ry * cos(angle), -side * rx * sin(angle)))
    ellipse(canvas, x, y, 12, 5.4, CORTICAL, angle=tangent)
    ellipse(canvas, x, y, 10, 3.3, SPONGY, angle=tangent)
