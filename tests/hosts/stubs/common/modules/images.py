"""Pictures on disk: names, text chunks, grids."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from modules import script_callbacks
from modules.shared import opts
from PIL import Image, PngImagePlugin

LANCZOS = Image.Resampling.LANCZOS
_NO_SETTINGS = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "exif", "background", "icc_profile"}


def read(fp, **kwargs):
    image = Image.open(fp, **kwargs)
    return fix_image(image)


def fix_image(image: Image.Image):
    if image is not None:
        image.load()
    return image


def sanitize_filename_part(text, replace_spaces=True):
    if text is None:
        return None
    clean = re.sub(r'[#<>:"/\\|?*\n\r\t]', "_", text.replace(" ", "_") if replace_spaces else text)
    return clean[:128].strip(" .")


def get_next_sequence_number(path, basename):
    prefix = f"{basename}-" if basename else ""
    rests = (entry.name[len(prefix) :] for entry in Path(path).iterdir() if entry.name.startswith(prefix))
    numbers = [int(found[0]) for rest in rests if (found := re.match(r"\d+(?=[-.])", rest))]
    return max(numbers, default=-1) + 1


def image_grid(imgs, batch_size=1, rows=None):
    rows = rows or max(1, round(len(imgs) ** 0.5))
    params = script_callbacks.ImageGridLoopParams(imgs, -(-len(imgs) // rows), rows)
    script_callbacks.image_grid_callback(params)
    width, height = imgs[0].size
    grid = Image.new("RGB", (params.cols * width, params.rows * height))
    for number, image in enumerate(params.imgs):
        grid.paste(image, (number % params.cols * width, number // params.cols * height))
    return grid


def save_image_with_geninfo(
    image, geninfo, filename, extension=None, existing_pnginfo=None, pnginfo_section_name="parameters"
):
    extension = extension or Path(filename).suffix
    if extension.lower() != ".png":
        image.convert("RGB").save(filename)
        return
    chunks = PngImagePlugin.PngInfo()
    if getattr(opts, "enable_pnginfo", True):
        for key, text in {**(existing_pnginfo or {}), pnginfo_section_name: geninfo}.items():
            chunks.add_text(key, str(text))
    image.save(filename, pnginfo=chunks)


def save_image(
    image,
    path,
    basename,
    seed=None,
    prompt=None,
    extension="png",
    info=None,
    short_filename=False,
    no_prompt=False,
    grid=False,
    pnginfo_section_name="parameters",
    p=None,
    existing_info=None,
    forced_filename=None,
    suffix="",
    save_to_dirs=None,
):
    folder = Path(path)
    if getattr(opts, "save_to_dirs", False) and not grid and not no_prompt if save_to_dirs is None else save_to_dirs:
        folder = folder / date.today().isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    name = forced_filename
    if name is None:
        number = get_next_sequence_number(folder, basename)
        first = f"{number:05}" if basename == "" else f"{basename}-{number:04}"
        rest = [] if short_filename or seed is None else [str(seed), sanitize_filename_part(prompt or "")]
        name = "-".join([first, *filter(None, rest)]) + suffix
    chunks = {**(existing_info or {})}
    if info is not None:
        chunks[pnginfo_section_name] = info
    params = script_callbacks.ImageSaveParams(image, p, str(folder / f"{name}.{extension}"), chunks)
    script_callbacks.before_image_saved_callback(params)
    info = params.pnginfo.get(pnginfo_section_name)
    save_image_with_geninfo(params.image, info, params.filename, None, params.pnginfo, pnginfo_section_name)
    image.already_saved_as = params.filename
    text_file = None
    if getattr(opts, "save_txt", False) and info is not None:
        text_file = str(Path(params.filename).with_suffix(".txt"))
        Path(text_file).write_text(f"{info}\n", "utf-8")
    script_callbacks.image_saved_callback(params)
    return params.filename, text_file


def read_info_from_image(image: Image.Image):
    items = {key: value for key, value in (image.info or {}).items() if key not in _NO_SETTINGS}
    geninfo = items.pop("parameters", None)
    return geninfo, items
