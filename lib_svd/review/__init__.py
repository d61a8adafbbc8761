"""What can be measured on a finished clip: motion, fidelity to the picture, consistency, and the loop's seam."""

from lib_svd.review.advice import Advice, advise, faults
from lib_svd.review.flow import CV2_MISSING, LEAST_SIDE, can_see_motion
from lib_svd.review.measure import Embed, Review, flicker, review
from lib_svd.review.rating import near_faults, rate
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
    "advise",
    "can_see_motion",
    "faults",
    "flicker",
    "near_faults",
    "rate",
    "review",
]
