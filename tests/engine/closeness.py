from __future__ import annotations

from torch import Tensor


def assert_close(actual: Tensor, expected: Tensor, max_abs: float = 1e-4, rel_rms: float = 2e-5) -> None:
    """The limits for two fp32 implementations of one formula (reference/svd.md, "Tolerances")."""
    assert actual.shape == expected.shape
    difference = (actual.double() - expected.double()).abs()
    relative = difference.square().mean().sqrt() / expected.double().square().mean().sqrt()
    assert difference.max() <= max_abs, f"largest difference {difference.max():.2e}, rms {relative:.2e}"
    assert relative <= rel_rms, f"relative rms {relative:.2e}, largest difference {difference.max():.2e}"
