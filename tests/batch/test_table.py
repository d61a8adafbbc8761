"""Tables of settings as people and spreadsheets write them: read, or refused with row and column."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib_svd.batch.table import SEPARATORS, Row, fold_name, read_table
from lib_svd.errors import BadInput, BadRequest, speak_in_flags
from lib_svd.settings import SETTINGS

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1).filter(
    lambda name: fold_name(name.strip())
)
VALUES = {
    name: st.sampled_from(sorted(setting.choices))
    if setting.choices
    else st.integers(int(setting.low), int(setting.high))
    if setting.kind is int
    else st.floats(setting.low, setting.high)
    for name, setting in SETTINGS.items()
    if setting.choices or setting.kind in (int, float)
}
reused = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)


def read(path: Path, text: str | bytes, pictures=None) -> list[Row]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, pictures, lambda row: None)


def refusals(path: Path, text: str | bytes, pictures=None) -> list[str]:
    with pytest.raises(BadRequest) as refused:
        read(path, text, pictures)
    return str(refused.value).splitlines()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "s.csv"


@pytest.mark.parametrize(
    "title", ["motion_bucket_id", "Motion", "motion", "--motion", "SVD motion", "motion-bucket-id"]
)
def test_a_setting_is_called_by_its_name_its_label_its_flag_or_as_clips_do(path, title):
    assert read(path, f"picture,{title}\na.png,60\n") == [Row(picture="a.png", settings={"motion_bucket_id": 60})]


def test_every_setting_has_a_column_under_every_name(path):
    for name, setting in SETTINGS.items():
        value = "#123456" if setting.kind is str else f"{setting.low:g}"
        value = next(iter(setting.choices)) if setting.choices else value
        for title in (name, setting.label, *setting.flags):
            (row,) = read(path, f'Picture;"{title}"\na.png;{value}')
            assert row.settings == {name: setting.check(setting.read(value))}


def test_a_cell_that_is_empty_says_nothing_and_a_row_that_is_empty_is_none(path):
    text = "picture,motion,fps,,\na.png,,7\n,,\n\n b.png , 60 ,\n"
    assert read(path, text) == [
        Row(picture="a.png", settings={"fps": 7}),
        Row(picture="b.png", settings={"motion_bucket_id": 60}),
    ]


def test_sizes_and_seeds_can_be_left_open_again(path):
    assert [row.settings for row in read(path, "picture,size,seed\na,96x64,5\na,auto,-1\n")] == [
        {"width": 96, "height": 64, "seed": 5},
        {"width": None, "height": None, "seed": None},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_spreadsheets_write_tables_in_many_ways(path, encoding, separator, end):
    text = end.join(separator.join(cells) for cells in (["picture", "motion"], ["Größe, 1.png".replace(",", ""), "60"]))
    assert read(path, text.encode(encoding)) == [Row(picture="Größe 1.png", settings={"motion_bucket_id": 60})]


def test_a_comma_in_a_title_is_not_taken_for_the_end_of_a_column(path):
    (row,) = read(path, "picture;Guidance, last frame;Guidance, first frame\na.png;3;2\n")
    assert row.settings == {"max_guidance": 3, "min_guidance": 2}


def test_names_are_one_however_they_are_spelled(path):
    assert [row.picture for row in read(path, "picture\n.\\more\\cafe\u0301.png\n", {"more/café.png"})] == [
        "more/café.png"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["s.csv is empty"]),
        ("motion\n60", ["s.csv, row 1: no column is called picture"]),
        ("picture,speedy\na,1", ["s.csv, row 1, column 'speedy': this is no setting"]),
        ("picture,motion,Motion\na,1,2", ["s.csv, row 1, column 'Motion': there is another column for this"]),
        ("picture,motion\na,60\na,fast", ["s.csv, row 3, column 'motion': Motion must be a number, not 'fast'."]),
        ("picture,motion\na,60\n\na,900", ["s.csv, row 4, column 'motion': Motion must be from 1 to 255, not 900."]),
        ("picture,size\na,large", ["s.csv, row 2, column 'size': Size 'large' cannot be read"]),
        ("picture,motion\n,60", ["s.csv, row 2, column 'picture': there is no picture ''"]),
        ("picture,motion\nb,60", ["s.csv, row 2, column 'picture': there is no picture 'b'"]),
        ("picture\na,60", ["s.csv, row 2: it has 2 cells, and there are 1 columns"]),
        ('picture,motion\n"a\nb",60\na,900', ["row 2, column 'picture': ", "row 3, column 'motion': "]),
        ("picture,motion\na,0\na,0\n", ["row 2, column", "row 3, column"]),
        ("picture\n" + "b\n" * 30, [*["there is no picture 'b'"] * 20, "And 10 more in s.csv."]),
        (b"picture\n\x81\x8d", ["cannot be read as a table"]),
        ("picture\n" + "x" * 200_000, ["cannot be read as a table (field larger than field limit (131072))"]),
    ],
)
def test_every_mistake_is_a_sentence_with_row_and_column(path, text, said):
    told = refusals(path, text, {"a"})
    assert len(told) == len(said)
    assert [words for words, line in zip(said, told, strict=True) if words not in line] == []


def test_what_only_the_model_can_tell_has_its_row_too(path):
    def check(row: Row) -> None:
        if row.settings:
            raise BadRequest("That is too much.")

    path.write_text("picture,motion\na,\na,60\na,900\n")
    with speak_in_flags(), pytest.raises(BadRequest) as refused:
        read_table(path, None, check)
    assert str(refused.value).splitlines() == [
        "s.csv, row 3: That is too much.",
        "s.csv, row 4, column 'motion': --motion must be from 1 to 255, not 900.",
    ]


@reused
@given(st.lists(st.tuples(NAMES, st.fixed_dictionaries({}, optional=VALUES))), st.sampled_from(SEPARATORS))
def test_what_a_spreadsheet_writes_is_read_back(path, rows, separator):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["picture", *VALUES], delimiter=separator)
        writer.writeheader()
        writer.writerows({"picture": name, **values} for name, values in rows)
    assert read_table(path, None, lambda row: None) == [
        Row(picture=fold_name(name.strip()), settings=values) for name, values in rows
    ]


@reused
@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.text(alphabet="picture,motion;\t\n\"'=01.-").map(lambda text: f"picture,motion,size\n{text}"),
    )
)
def test_any_text_is_a_table_or_a_sentence(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        rows = read_table(path, None, lambda row: None)
    except BadInput:
        return
    assert all(row.picture for row in rows)
