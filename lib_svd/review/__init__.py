"""What can be measured on a finished clip: motion, fidelity to the picture, consistency, and the loop's seam."""

from lib_svd.review.advice import Advice, advise, list_faults
from lib_svd.review.detail import compare_sharpness
from lib_svd.review.flow import CV2_MISSING, LEAST_SIDE, can_see_motion
from lib_svd.review.measure import Embed, Review, Steadiness, measure_flicker, measure_steadiness, review
from lib_svd.review.rating import list_near_faults, rate
from lib_svd.review.words import BRIEF, FAULTS, MEASURES, Measure, Measures

__all__ = [
    "BRIEF",
    "CV2_MISSING",
    "FAULTS",
    "LEAST_SIDE",
    "MEASURES",
    "Advice",
    "Embed",
    "Measure",
    "Measures",
    "Review",
    "Steadiness",
    "advise",
    "can_see_motion",
    "compare_sharpness",
    "list_faults",
    "list_near_faults",
    "measure_flicker",
    "measure_steadiness",
    "rate",
    "review",
]
