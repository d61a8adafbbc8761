"""Write the tables of README.md from the rows in results/: python -m benchmarks.table

Absolute seconds and bytes come from GPUs alone. A row from a CPU gives ratios: its seconds say more about the machine
and its other work than about the program.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.ladder import GB, measure_growth, measure_ladder

HERE = Path(__file__).parent
README, RESULTS = HERE / "README.md", HERE / "results"
KINDS = (
    "clip",
    "choices",
    "shortcuts",
    "roofline",
    "start",
    "loading",
    "presses",
    "smoothing",
    "formats",
    "soak",
    "queued",
    "control",
)

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Row], str]]


def read_rows() -> list[Row]:
    """Every row that is kept, in the order of the files' names."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]


def write_tables(readme: str, kept: Iterable[Row]) -> str:
    """The README with the text between each pair of markers made anew."""
    kept = list(kept)
    for name, table in make_tables(kept).items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = readme.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"README.md has no place for a table between {begin} and {end}")
        readme = f"{before}{begin}\n{table}\n{end}{after}"
    return readme


def make_tables(kept: Iterable[Row]) -> dict[str, str]:
    """Each table by its name."""
    clips = [row for row in kept if row["kind"] == "clip"]
    choices = [line for row in kept if row["kind"] == "choices" for line in _list_choice_lines(row)]
    return {
        "gpu": _make_table(
            [row for row in clips if row["device"] != "cpu"], {**CONDITIONS, **SECONDS, **MEMORY, **SAME}
        ),
        "cpu": _make_table([row for row in clips if row["device"] == "cpu"], {**CONDITIONS, **RATIOS, **SAME}),
        "choices": _make_table(choices, {**CONDITIONS, **CHOICE}),
        **{kind: _make_table(_list_lines(kept, kind), {**MACHINE, **columns}) for kind, columns in BY_LINE.items()},
        "control": _make_table(_list_lines(kept, "control"), {**MACHINE, **CONTROL}),
        "queued": _make_table([row for row in kept if row["kind"] == "queued"], {**MACHINE, **QUEUED}),
        "ladder": _make_table(measure_ladder(), LADDER),
        "growth": _make_table(measure_growth(), GROWTH),
        "shortcuts": _make_table(
            [line for row in kept if row["kind"] == "shortcuts" for line in row["shortcuts"]], SHORTCUT
        ),
        "roofline": _make_table(
            [line for row in kept if row["kind"] == "roofline" for line in _list_floor_lines(row)], {**FLOOR, **FLOORS}
        ),
    }


def _make_table(kept: Iterable[Row], columns: Columns) -> str:
    lines = [[text(row) for text in columns.values()] for row in kept]
    if not lines:
        return "\nNo row yet.\n"
    head = [list(columns), ["---"] * len(columns)]
    return "\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in head + lines) + "\n"


def _list_lines(kept: Iterable[Row], kind: str) -> list[Row]:
    """The lines of all rows of a kind, each with what its row says."""
    return [{**row, **line} for row in kept if row["kind"] == kind for line in row["lines"]]


def _list_choice_lines(row: Row) -> list[Row]:
    """One line a choice, each with the first of its kind as measure."""
    first = {choice["what"]: choice for choice in reversed(row["choices"])}
    return [{**row, "choice": choice, "first": first[choice["what"]]} for choice in row["choices"]]


def _list_floor_lines(row: Row) -> Iterable[Row]:
    """One line a kind of operation, then one for all of a stage."""
    for stage, by in row["stages"].items():
        for kind in by["ours"]:
            yield {"stage": stage, "what": kind, **{who: kinds[kind] for who, kinds in by.items()}}
        yield {"stage": stage, "what": "all", **{who: _sum(kinds.values()) for who, kinds in by.items()}}


def _sum(counts: Iterable[Row]) -> Row:
    counts = list(counts)
    return {name: sum(count[name] for count in counts) for name in counts[0]}


def _show_floor(who: str) -> Callable[[Row], str]:
    return lambda line: "{}, {:.1f}, {:.0f}, {:.0f}".format(
        line[who]["calls"], line[who]["flops"] / 1e12, line[who]["bytes"] / 1e9, 1000 * line[who]["seconds"]
    )


def _show_both(kind: str, key: str, unit: float, digits: int) -> Callable[[Row], str]:
    """Ours / theirs (ratio)."""

    def write_both(row: Row) -> str:
        ours, theirs = row["ours"][kind][key] / unit, row["theirs"][kind][key] / unit
        return f"{ours:.{digits}f} / {theirs:.{digits}f} ({row['ratio'][kind][key]:.2f})"

    return write_both


def _show_ratio(kind: str, key: str) -> Callable[[Row], str]:
    return lambda row: f"{row['ratio'][kind][key]:.2f}"


def _show_wall_and_cpu(key: str) -> Callable[[Row], str]:
    return lambda row: f"{row['ratio']['seconds'][key]:.2f}, CPU time {row['ratio']['cpu_seconds'][key]:.2f}"


def _show_against(row: Row) -> str:
    return f"{row['peer']} {row['diffusers']}" + (f", {row['compiled']}" if row["compiled"] else "")


def _show_chunk(row: Row) -> str:
    return str(row["decode_chunk"]) if row.get("decode_chunk") else "default"


def _show_choice_ratio(kind: str) -> Callable[[Row], str]:
    return lambda row: f"{row['choice'][kind] / row['first'][kind]:.2f}"


STAGES = {"step": "step", "vision and encode": "encode", "decode": "decode", "clip": "clip"}
CONDITIONS: Columns = {
    "device": lambda row: row["device_name"] + (f", threads {row['threads']}" if row["device"] == "cpu" else ""),
    "dtype": lambda row: row["dtype"],
    "width": lambda row: row["scale"],
    "frames, size, steps": lambda row: (
        f"{row['frames']} frames {row['size'][0]}x{row['size'][1]}, {row['steps']} steps"
    ),
    "torch": lambda row: row["torch"],
    "revision": lambda row: f"{row['revision']}, {row['date']}",
}
SECONDS: Columns = {
    "against": _show_against,
    "decoded at a time": _show_chunk,
    **{f"s {name}": _show_both("seconds", key, 1, 3 if key == "step" else 2) for name, key in STAGES.items()},
}
MEMORY: Columns = {
    "peak GB sampling": _show_both("bytes", "sample", 1e9, 2),
    "peak GB": _show_both("bytes", "peak", 1e9, 2),
    "peak GB beside the weights": _show_both("bytes", "working", 1e9, 2),
}
RATIOS: Columns = {
    "against": _show_against,
    "decoded at a time": _show_chunk,
    **{name: _show_wall_and_cpu(key) for name, key in STAGES.items()},
    "peak sampling": _show_ratio("bytes", "sample"),
    "peak decoding": _show_ratio("bytes", "decode"),
    "peak": _show_ratio("bytes", "peak"),
    "peak beside the weights": _show_ratio("bytes", "working"),
}
SAME: Columns = {
    "UNet apart, max (rms)": lambda row: "{max:.1e} ({rms:.1e})".format(**row["difference"]["unet"]),
}
CHOICE: Columns = {
    "what": lambda row: row["choice"]["what"],
    "choice": lambda row: row["choice"]["choice"],
    "time over the first": _show_choice_ratio("seconds"),
    "CPU time over the first": _show_choice_ratio("cpu_seconds"),
    "peak over the first": _show_choice_ratio("peak"),
    "beside the weights over the first": _show_choice_ratio("working"),
    "result apart, rms": lambda row: f"{row['choice']['rms']:.1e}",
}


MACHINE: Columns = {
    "device": lambda row: f"{row['device_name']}, {row['cores']} cores",
    "torch": CONDITIONS["torch"],
    "revision": CONDITIONS["revision"],
}
START: Columns = {
    "against": lambda row: row["before"],
    "beside": lambda row: row["beside"],
    "time over before": lambda row: f"{row['wall_ratio']:.2f}",
    "CPU time over before": lambda row: f"{row['cpu_ratio']:.2f}",
}
LOADING: Columns = {
    "width": lambda row: row["scale"],
    "against": lambda row: row["before"],
    "stored as, computed in": lambda row: f"{row['stored']}, {row['computed']}",
    "from the": lambda row: row["from"],
    "time over before": lambda row: f"{row['wall_ratio']:.2f}",
    "CPU time over before": lambda row: f"{row['cpu_ratio']:.2f}",
    "peak over before": lambda row: f"{row['peak_ratio']:.2f}",
}
PRESSED: Columns = {
    "against": lambda row: row["before"],
    "what is used": lambda row: row["press"],
    "CPU time over before": lambda row: f"{row['cpu_ratio']:.2f}",
    "headers read": lambda row: f"{row['headers']:.0f}, before {row['headers_before']:.0f}",
    "folders read": lambda row: f"{row['folders']:.0f}, before {row['folders_before']:.0f}",
}
CONTROL: Columns = {
    "what": lambda row: row["what"],
    "clips": lambda row: str(row["clips"]),
    "median": lambda row: f"{row['median']:.3f}",
    "at most": lambda row: f"{row['most']:.3f}",
}
SMOOTHING: Columns = {
    "ffmpeg": lambda row: row["ffmpeg"],
    "frames, size": lambda row: "{} frames {}x{}".format(row["frames"], *row["size"]),
    "time over by hand": lambda row: f"{row['wall_ratio']:.2f}",
    "CPU time over by hand": lambda row: f"{row['cpu_ratio']:.2f}",
}
WRITTEN: Columns = {
    "ffmpeg": lambda row: row["ffmpeg"],
    "frames, size": lambda row: f"{row['frames']} frames {row['size']}",
    "format": lambda row: row["format"],
    "CPU time over by hand": lambda row: f"{row['time_ratio']:.2f}",
    "peak of 400 frames over 25": lambda row: "-" if row["peak_ratio"] is None else f"{row['peak_ratio']:.2f}",
}
SOAKED: Columns = {
    "clips, clients, requests": lambda row: f"{row['clips']}, {row['clients']}, {row['requests']}",
    "lost, doubled, or no sentence": lambda row: str(len(row["wrong"])),
    "what is held": lambda row: row["what"],
    "at rest, over that after 10 clips": lambda row: f"{row['rest_ratio']:.2f}",
    "at work, last 50 clips over 50 after 10": lambda row: f"{row['work_ratio']:.2f}",
}
QUEUED: Columns = {
    "turns, clips in each": lambda row: f"{row['repeats']}, {row['clips']}",
    "clips a minute over the loop": lambda row: f"{row['wall_ratio']:.3f}",
    "clips a minute of CPU time over the loop": lambda row: f"{row['cpu_ratio']:.3f}",
}
BY_LINE: Mapping[str, Columns] = {
    "start": START,
    "loading": LOADING,
    "presses": PRESSED,
    "smoothing": SMOOTHING,
    "formats": WRITTEN,
    "soak": SOAKED,
}
SHORTCUT: Columns = {
    "what": lambda line: line["name"],
    "CPU time of sampling": lambda line: f"{line['cpu_ratio']:.2f}",
    "PSNR, dB: mean": lambda line: _write_decibels(line["psnr"]),
    "least": lambda line: _write_decibels(line["least_psnr"]),
    "reference tensors' weights: mean": lambda line: _write_decibels(line["reference_psnr"]),
}


FLOOR: Columns = {"stage": lambda line: line["stage"], "operations": lambda line: line["what"]}
FLOORS: Columns = {f"{who}: calls, TFLOP, GB, ms": _show_floor(who) for who in ("ours", "--compile", "diffusers")}
CLIP: Columns = {
    "frames": lambda row: str(row["frames"]),
    "size": lambda row: "{}x{}".format(*row["size"]),
}
LADDER: Columns = {
    "free, GB": lambda row: f"{row['free'] / GB:.0f}",
    "UNet's matrices": lambda row: row["weights"],
    **CLIP,
    "needed, GB": lambda row: f"{row['plan'].needed / GB:.1f}",
    "guidance branches": lambda row: "in turn" if row["plan"].halves else "at once",
    "frames decoded at a time": lambda row: str(row["plan"].decoding.chunk),
    "swapped layer by layer": lambda row: ", ".join(row["plan"].swapped) or "nothing",
}
GROWTH: Columns = {
    **CLIP,
    "everything at once, GB": LADDER["needed, GB"],
    "least without swapping, GB": lambda row: f"{row['least'] / GB:.1f}",
}


def _write_decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def main() -> None:
    """Write README.md."""
    README.write_text(write_tables(README.read_text(encoding="utf-8"), read_rows()), encoding="utf-8")


if __name__ == "__main__":
    main()
