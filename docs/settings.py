"""Write the table of settings.md from `lib_svd.settings`: `python docs/settings.py`, after a change of any row."""

from __future__ import annotations

import re
from pathlib import Path

from lib_svd.checkpoints import FAMILIES
from lib_svd.settings import SETTINGS, Setting

PAGE = Path(__file__).with_suffix(".md")
HEAD = "| setting | option | range | default | what it does |\n|---|---|---|---|---|\n"


def write_page() -> str:
    """The page with its table as the settings are now."""
    rows = "".join(_write_row(setting) for setting in SETTINGS.values())
    return re.sub(r"\| setting \|.*?\n(?!\|)", lambda _: f"{HEAD}{rows}", PAGE.read_text("utf-8"), flags=re.DOTALL)


def _write_row(setting: Setting) -> str:
    flags = ("--size",) if setting.together == "Size" else setting.flags
    options = ", ".join(f"`{flag}`" for flag in flags)
    only = f" {setting.only} only." if setting.only else ""
    return f"| {setting.label} | {options} | {setting.reach} | {_write_default(setting)} | {setting.help}{only} |\n"


def _write_default(setting: Setting) -> str:
    if setting.name == "seed":
        return "drawn"
    if setting.together == "Size":
        return "the model's area in the picture's shape"
    if not setting.is_open:
        return str(setting.default) or ("the only one there is" if setting.name == "checkpoint" else "none")
    svd, xt = (str(getattr(FAMILIES[name], setting.name)) for name in ("svd", "svd_xt"))
    return svd if svd == xt else f"{svd} (svd), {xt} (xt)"


if __name__ == "__main__":
    PAGE.write_text(write_page(), "utf-8")
