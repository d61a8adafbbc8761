"""The source picture: read with its orientation and colours right, refused with a sentence, fitted to a size.

picture = read_picture("dog.jpg")                                      upright, RGB, 8 bit
size = working_size(picture.image.size, (1024, 576), 64)               for `--size auto`
picture = place_object(picture, request, size)                         its object in the middle, for SV3D
fitted = fit_picture(picture.image, size, "crop", View())                exactly that size
concerns = check_picture(picture.image, fitted)                        what may go wrong, with remedies
x = to_tensor(fitted.image)                                            [1, 3, H, W] in [-1, 1]
"""

from lib_svd.images.camera import Shot, plan_path, plan_shot
from lib_svd.images.check import Concern, check_picture, find_subject, find_tighter_crop
from lib_svd.images.examine import Examined, examine
from lib_svd.images.fit import Fitted, View, choose_working_size, convert_to_tensor, fit_picture, soften
from lib_svd.images.placing import has_object, place_object
from lib_svd.images.read import Picture, check_header, open_picture, read_picture

__all__ = [
    "Concern",
    "Examined",
    "Fitted",
    "Picture",
    "Shot",
    "View",
    "check_header",
    "check_picture",
    "choose_working_size",
    "convert_to_tensor",
    "examine",
    "find_subject",
    "find_tighter_crop",
    "fit_picture",
    "has_object",
    "open_picture",
    "place_object",
    "plan_path",
    "plan_shot",
    "read_picture",
    "soften",
]
