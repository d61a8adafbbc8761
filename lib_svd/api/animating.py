"""`POST /svd/v1/animate`: a picture becomes a clip."""

from __future__ import annotations

import io
from typing import Any

from lib_svd import images
from lib_svd.api.wire import Answer, decode_base64, describe_clip, describe_failure, read
from lib_svd.errors import BadPicture, BadRequest, SvdError
from lib_svd.request import ClipRequest
from lib_svd.settings import draw_seed
from lib_svd.strangers import quote
from lib_svd.studio import Studio

EXAMPLE = '{"picture": "<base64>", "num_frames": 14}'


def answer(studio: Studio, order: dict[str, Any]) -> Answer:
    """Carry out an order; gives an HTTP status and JSON.

    `{"picture": base64 or data URL, "frames": true to save them too, "motion_bucket_id": 75, ...}` with any settings of
    `ClipRequest`, and "speed" of `speeds.SPEEDS`, gives `{"video": base64}` and what `SavedClip.as_dict` gives; an
    error gives `{"error": its name, "message": a sentence}`.
    """
    try:
        made = studio.order(
            make_request(studio, order), decode_picture(order), with_frames=_is_wanted(order.get("frames"))
        )
        return describe_clip(studio.animate(made))
    except SvdError as error:
        return describe_failure(error)


def read_order(studio: Studio, body: bytes) -> dict[str, Any]:
    """Read an order out of a body, with its picture as bytes; what can be refused without much work is refused.

    Raises:
        BadInput: it is no order, or a setting, the model or the picture cannot be.
    """
    order = read(body, EXAMPLE)
    if order.get("seed") in (None, -1, "-1"):
        order["seed"] = draw_seed()
    if found := decode_picture(order):
        order["picture"] = found
        images.check_header(found)
    _is_wanted(order.get("frames"))
    studio.find_checkpoint(make_request(studio, order).checkpoint).family.check_given(order)
    return order


def make_request(studio: Studio, order: dict[str, Any]) -> ClipRequest:
    """Make the request of an order's settings; raises BadInput."""
    return studio.make_request({name: value for name, value in order.items() if name not in ("picture", "frames")})


def decode_picture(order: dict[str, Any]) -> io.BytesIO | None:
    """Decode an order's picture, None where it has none; raises BadPicture where the text is no base64."""
    text = order.get("picture")
    if text is None or isinstance(text, io.BytesIO):
        return text
    try:
        return io.BytesIO(decode_base64(text))
    except ValueError as error:
        raise BadPicture(
            "The picture must be base64 text, with or without data:image/png;base64, before it."
        ) from error


def _is_wanted(answer: Any) -> bool:
    """Read a yes or no, as programs spell it; raises BadRequest for anything else."""
    spelled = str(answer).lower()
    if spelled in ("true", "1", "yes"):
        return True
    if spelled in ("false", "0", "no", "none", ""):
        return False
    raise BadRequest(f'"frames" must be true or false, not {quote(answer)}.')
