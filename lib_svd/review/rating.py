"""How good a clip is as far as measures can tell, in one number: to choose among clips of one picture."""

from __future__ import annotations

from math import inf

from lib_svd.review.words import MEASURES, Measure, Measures


def rate(measures: Measures) -> float:
    """Add up over all measures how far each is off what is usual; 0: nothing speaks against the clip.

    A measure adds nothing within its usual range, 1 where it becomes a fault, and 2 at most however far it is beyond,
    so that the worse of two clips is never rated like the better one.
    """
    return sum(_measure_distance(measure, measures) for measure in MEASURES)


def list_near_faults(measures: Measures) -> list[str]:
    """List the faults that a clip is on the way to, of FAULTS; what it is nearest to, or deepest in, comes first."""
    off = sorted(MEASURES, key=lambda measure: -_measure_distance(measure, measures))
    found = [_find_fault_beyond(measure, measures) for measure in off if _measure_distance(measure, measures) > 0]
    return [*dict.fromkeys(found)]


def _measure_distance(measure: Measure, measures: Measures) -> float:
    value = measures.get(measure.name)
    low, high = measure.usual
    if value is None or low <= value <= high:
        return 0.0
    bound = low if value < low else high
    beyond = [limit for limit in measure.fault_limits if (limit <= low if value < low else limit >= high)]
    limit = min(beyond, key=lambda each: abs(each - bound), default=inf)
    apart = abs(value - bound)
    way = 1 + apart / (abs(bound) or 1.0) if limit == bound else apart / abs(limit - bound)
    return way if way <= 1 else 2 - 1 / way


def _find_fault_beyond(measure: Measure, measures: Measures) -> str:
    """Find the fault that lies on the side on which a measure is off."""
    value = measures.get(measure.name) or 0.0
    bands = measure.bands if value < measure.usual[0] else tuple(reversed(measure.bands))
    return next(band.fault for band in bands if band.fault)
