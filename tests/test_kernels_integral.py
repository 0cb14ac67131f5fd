"""The integral of a hazard over many rows against NumPy, and where exponentials end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tocsin.kernels.integral import integrate, largest


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 11])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 130, 1000])
def test_integral_and_derivatives_are_sums_over_rows(width: int, count: int) -> None:
    rng = np.random.default_rng(width * 1000 + count)
    columns, exposure = rng.normal(size=(width, count)), rng.exponential(size=count)
    beta = rng.normal(size=width)
    each = np.exp(beta @ columns) * exposure
    value, gradient, hessian = integrate(columns, beta, exposure, 2)
    assert value == pytest.approx(each.sum(), rel=1e-13)
    assert gradient == pytest.approx(columns @ each, rel=1e-12, abs=1e-9)
    assert hessian == pytest.approx((columns * each) @ columns.T, rel=1e-12, abs=1e-9)
    assert np.array_equal(hessian, hessian.T)
    assert integrate(columns, beta, exposure, 0)[0] == value
    assert largest(columns, beta) == pytest.approx(np.abs(beta @ columns).max(initial=0.0))


def test_exponentials_are_those_of_the_library() -> None:
    one = np.ones((1, 1))
    for x in [*np.linspace(-700.0, 700.0, 141), 1e-9, -1e-300, math.log(2.0), 0.5 * math.log(2.0)]:
        found = integrate(one, np.array([x]), np.ones(1), 0)[0]
        assert found == pytest.approx(math.exp(x), rel=1e-15 + 1e-16 * abs(x))


def test_hazards_beyond_all_numbers_are_endless_unless_nobody_meets_them() -> None:
    columns = np.array([[1.0, 1.0, 1.0], [0.0, 1e4, -1e4]])
    beta = np.array([0.5, 1.0])
    assert integrate(columns, beta, np.ones(3), 0)[0] == math.inf
    value, gradient, hessian = integrate(columns, beta, np.array([2.0, 0.0, 1.0]), 2)
    assert value == pytest.approx(2.0 * math.exp(0.5))
    assert gradient == pytest.approx([value, 0.0], abs=1e-300)
    assert hessian == pytest.approx(np.array([[value, 0.0], [0.0, 0.0]]), abs=1e-290)
