"""Draws scenes, with smooth edges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tools.sample.scenes import COLOURS, Scene, Thing

if TYPE_CHECKING:
    from numpy.typing import NDArray

Picture: TypeAlias = "NDArray[np.uint8]"

FINE = 4
"""Samples per pixel, in each direction."""


def draw(scene: Scene, size: int) -> Picture:
    """Draw a scene; returns RGB of shape (size, size, 3)."""
    back = np.array(COLOURS[scene.look.background], np.float32)
    front = np.array(COLOURS[scene.look.colour], np.float32)
    covered = np.zeros((size, size, 1), np.float32)
    for thing in scene.things:
        covered = np.maximum(covered, _cover(scene.look.shape, thing, size))
    return np.rint(back + covered * (front - back)).astype(np.uint8)


def outline(shape: str) -> NDArray[np.float64]:
    """Return the corners of a shape around the origin, (n, 2), y downwards, radius about 1."""
    match shape:
        case "square":
            return np.array([(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)])
        case "triangle":
            return np.array([(0, -0.95), (1, 0.8), (-1, 0.8)])
        case "star":
            turns = np.arange(10) * math.pi / 5
            radii = np.where(np.arange(10) % 2, 0.44, 1.05)
            return np.stack([radii * np.sin(turns), 0.05 - radii * np.cos(turns)], axis=1)
    turns = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    if shape == "circle":
        return np.stack([np.sin(turns), np.cos(turns)], axis=1)
    waves = [factor * np.cos(k * turns) for k, factor in ((1, 13), (2, -5), (3, -2), (4, -1))]
    return np.stack([np.sin(turns) ** 3, -(sum(waves) + 2) / 16], axis=1)


def _cover(shape: str, thing: Thing, size: int) -> NDArray[np.float32]:
    """Return how much of each pixel a thing covers, 0 to 1, of shape (size, size, 1)."""
    axis = (np.arange(size * FINE) + 0.5) / (size * FINE)
    x = (axis - thing.x) / thing.radius
    y = (axis - thing.y) / thing.radius
    inside = np.zeros((y.size, x.size), bool)
    corners = outline(shape)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        rows = (y > min(y0, y1)) & (y <= max(y0, y1))  # those whose ray meets this edge
        crossing = x0 + (y[rows] - y0) * (x1 - x0) / (y1 - y0)
        inside[rows] ^= x[None, :] > crossing[:, None]
    blocks = inside.reshape(size, FINE, size, FINE, 1)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)
