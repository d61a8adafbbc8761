"""What a user has when saving went wrong: the frames, the reason, a way on, and nothing half written."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from lib_svd import files
from lib_svd.clip import SavedClip
from lib_svd.errors import ClipNotSaved, EncodeFailed
from lib_svd.files import finish_left, make_hidden_names, publish, publish_together
from lib_svd.video import Encoding, probe, save, save_frames
from lib_svd.video.encode import encode
from lib_svd.video.ffmpeg import FfmpegFailed

READ_A_LITTLE = "sys.stdin.buffer.read(9000); open(out, 'wb').write(b'x' * 9000)\n"
FULL_DISK = READ_A_LITTLE + (
    "print('[out#0/mp4 @ 0x2592e680] Error writing trailer: No space left on device', file=sys.stderr)\n"
    "print('Conversion failed!', file=sys.stderr)\n"
    "sys.exit(228)"
)


def list_names(folder: Path) -> list[str]:
    """Of everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


def assert_only_frames_are_there(folder: Path, clip) -> None:
    """The frames are in `clip_frames`, every one exact, and there is nothing else."""
    assert list_names(folder) == ["clip_frames"]
    paths = sorted((folder / "clip_frames").iterdir())
    assert [path.name for path in paths] == [f"{number:05d}.png" for number in range(len(clip.frames))]
    for path, frame in zip(paths, clip.frames, strict=True):
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture), frame)
            assert picture.info["parameters"] == clip.infotext


def assert_in_second_place(saved: SavedClip, folder: Path, why: str) -> None:
    """The clip is whole where its only note says that it is, which says why too."""
    assert saved.video == folder / "clip.mp4"
    assert probe(saved.video).num_frames == len(saved.clip.frames)
    assert saved.video.with_suffix(".txt").read_text("utf-8") == saved.clip.infotext
    (note,) = saved.notes
    assert why in note
    assert note.endswith(f"so it is saved as {saved.video}.")


def list_chain(error: BaseException | None) -> list[BaseException]:
    """An error and all that led to it."""
    return [] if error is None else [error, *list_chain(error.__cause__ or error.__context__)]


def refuse_for_space(*_given: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [
        (FULL_DISK, '"Error writing trailer: No space left on device"'),
        (READ_A_LITTLE + "sys.exit(3)", "stopped with code 3"),
        (READ_A_LITTLE + "os.kill(os.getpid(), 9)", "was killed by signal 9" if os.name != "nt" else "stopped"),
        ("sys.exit(1)", "stopped with code 1"),
        ("sys.stdin.buffer.read()", "is no file|not a video"),
        ("sys.stdin.buffer.read(); open(out, 'wb').write(b'x' * 9000)", "not a video"),
        ("sys.exit(subprocess.call([REAL, *asked[:-1], '-frames:v', '2', asked[-1]]))", "2 frames of 72x40 at 7 fps"),
        ("sys.exit(subprocess.call([REAL, *asked[:-1], '-r', '14', asked[-1]]))", "at 14 fps"),
        ("sys.exit(subprocess.call([REAL, *asked[:-1], '-s', '80x48', asked[-1]]))", "of 80x48 at 7 fps"),
    ],
)
def test_frames_are_kept_when_ffmpeg_fails(new_clip, tmp_path, fake_ffmpeg, encoding, reason):
    fake_ffmpeg(encoding)
    clip = new_clip()
    with pytest.raises(EncodeFailed, match=reason) as caught:
        save(clip, tmp_path / "clip.mp4")
    assert str(tmp_path / "clip_frames") in str(caught.value)
    assert_only_frames_are_there(tmp_path, clip)


def test_the_reason_shows_the_command(new_clip, tmp_path, fake_ffmpeg):
    fake = fake_ffmpeg("sys.exit(1)")
    with pytest.raises(EncodeFailed, match="libx264") as caught:
        save(new_clip(), tmp_path / "clip.mp4")
    assert str(fake) in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="the command is written for cmd.exe, which shlex cannot read")
def test_the_way_on_works(new_clip, tmp_path, fake_ffmpeg, ffmpeg):
    fake_ffmpeg("sys.exit(1)")
    with pytest.raises(EncodeFailed) as caught:
        save(new_clip(), tmp_path / "clip.mp4")
    command = shlex.split(str(caught.value).partition("with: ")[2])
    subprocess.run([ffmpeg, "-v", "error", *command[1:]], check=True)
    assert probe(tmp_path / "clip.mp4").num_frames == 5
    assert probe(tmp_path / "clip.mp4").fps == 7


def test_frames_are_kept_when_ffmpeg_is_killed_in_the_middle(new_clip, tmp_path, during, programs):
    plain = new_clip(40, 256, 256)
    with pytest.raises(EncodeFailed, match=r"ffmpeg (was killed|stopped)"):
        save(during(plain, 20, lambda: programs[-1].kill()), tmp_path / "clip.mp4")
    assert_only_frames_are_there(tmp_path, plain)


@pytest.mark.parametrize("kind", ["missing", "garbage", "none"])
def test_frames_are_kept_when_there_is_no_ffmpeg(new_clip, tmp_path, tmp_path_factory, monkeypatch, kind):
    def find_nothing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    exe = tmp_path_factory.mktemp("exe") / "ffmpeg"
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(exe))
    if kind == "garbage":
        exe.write_bytes(b"\x00\x01 no program")
        exe.chmod(0o755)
    if kind == "none":
        monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", find_nothing)
    clip = new_clip()
    with pytest.raises(EncodeFailed, match="pip install --upgrade imageio-ffmpeg"):
        save(clip, tmp_path / "clip.mp4")
    assert_only_frames_are_there(tmp_path, clip)


def test_a_hung_ffmpeg_is_stopped(new_clip, tmp_path, fake_ffmpeg):
    fake_ffmpeg(READ_A_LITTLE + "time.sleep(30)")
    with pytest.raises(FfmpegFailed, match=r"not done after 0\.5 s"):
        encode(new_clip(20, 256, 256), tmp_path / "clip.mp4", Encoding(), patience=0.5)
    assert list_names(tmp_path) == ["clip.mp4"]


def test_a_talkative_ffmpeg_does_not_block(new_clip, tmp_path, fake_ffmpeg):
    fake_ffmpeg("sys.stderr.write('warning\\n' * 100_000)\nsys.exit(subprocess.call([REAL, *asked]))")
    save(new_clip(20, 256, 256), tmp_path / "clip.mp4")
    assert probe(tmp_path / "clip.mp4").num_frames == 20


def test_an_interrupt_while_streaming_leaves_nothing(new_clip, tmp_path, during):
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(during(new_clip(), 3, interrupt), tmp_path / "clip.mp4")
    assert list_names(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one thread")
@pytest.mark.parametrize("encoding", ["time.sleep(30)", "sys.stdin.buffer.read(); time.sleep(30)"])
def test_an_interrupt_of_a_blocked_write_or_wait_leaves_nothing(new_clip, tmp_path, fake_ffmpeg, encoding):
    fake_ffmpeg(encoding)
    press = threading.Timer(0.7, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    press.start()
    with pytest.raises(KeyboardInterrupt):
        save(new_clip(20, 256, 256), tmp_path / "clip.mp4")
    press.join()
    assert list_names(tmp_path) == []


def test_an_interrupt_while_frames_are_written_leaves_the_video(new_clip, tmp_path, monkeypatch):
    synced: list[int] = []

    def interrupt(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 4:  # after the video, its text and a frame
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(new_clip(), tmp_path / "clip.mp4", tmp_path / "frames")
    assert list_names(tmp_path) == ["clip.mp4", "clip.txt"]


def test_a_full_disk_is_told_honestly(new_clip, tmp_path, fake_ffmpeg, monkeypatch):
    fake_ffmpeg(FULL_DISK)
    monkeypatch.setattr(os, "fsync", refuse_for_space)
    with pytest.raises(EncodeFailed, match="Nor could its frames be kept") as caught:
        save(new_clip(), tmp_path / "clip.mp4")
    assert [type(error) for error in list_chain(caught.value)] == [EncodeFailed, FfmpegFailed]
    assert str(caught.value).count("No space left on device") == 2
    assert list_names(tmp_path) == []


def test_a_disk_that_fills_after_encoding_keeps_no_half_video(new_clip, tmp_path, monkeypatch, data_folder):
    calls: list[int] = []

    def fill_up_once(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            refuse_for_space()

    monkeypatch.setattr(os, "fsync", fill_up_once)
    saved = save(new_clip(), tmp_path / "clip.mp4")
    assert list_names(tmp_path) == []
    assert_in_second_place(saved, data_folder, "No space left on device")


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="only root on Linux can make a small disk"
)
@pytest.mark.parametrize("has_second_place", [True, False])
def test_a_disk_that_is_really_full_is_told_honestly(new_clip, tmp_path, monkeypatch, data_folder, has_second_place):
    if not has_second_place:
        monkeypatch.setattr("lib_svd.places.list_second_places", lambda: iter(()))
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no disk may be mounted here: {mounted.stderr.decode()}")
    try:
        clip = new_clip(30, 256, 256)
        clip.frames[:] = np.random.default_rng(0).integers(0, 256, clip.frames.shape)
        if has_second_place:
            assert_in_second_place(save(clip, disk / "clip.mp4"), data_folder, "No space left on device")
        else:
            with pytest.raises(EncodeFailed, match=r"No space left on device.* Nor could its frames be kept"):
                save(clip, disk / "clip.mp4")
        assert list_names(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_kept_frames_go_to_a_fresh_folder(new_clip, tmp_path, fake_ffmpeg):
    fake_ffmpeg("sys.exit(1)")
    theirs = tmp_path / "clip_frames"
    theirs.mkdir()
    with pytest.raises(EncodeFailed, match="clip_frames-2"):
        save(new_clip(), tmp_path / "clip.mp4")
    assert list_names(theirs) == []
    assert len(list_names(tmp_path / "clip_frames-2")) == 5


def test_kept_frames_go_where_frames_were_asked_for(new_clip, tmp_path, fake_ffmpeg):
    fake_ffmpeg("sys.exit(1)")
    with pytest.raises(EncodeFailed, match="frames are kept"):
        save(new_clip(), tmp_path / "clip.mp4", tmp_path / "mine")
    assert list_names(tmp_path) == ["mine"]
    assert len(list_names(tmp_path / "mine")) == 5


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("taken", ["clip.mp4", "clip.txt"])
def test_a_file_that_appears_meanwhile_is_not_overwritten(new_clip, tmp_path, during, monkeypatch, taken, links):
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", lambda *_: (_ for _ in ()).throw(PermissionError(errno.EPERM, "no")))
    clip = during(new_clip(), 3, lambda: (tmp_path / taken).write_bytes(b"theirs"))
    saved = save(clip, tmp_path / "clip.mp4")
    assert (tmp_path / taken).read_bytes() == b"theirs"
    assert saved.video == tmp_path / "clip-svd-0001.mp4"
    assert any("clip-svd-0001.mp4" in note for note in saved.notes)
    assert list_names(tmp_path) == sorted([taken, "clip-svd-0001.mp4", "clip-svd-0001.txt"])
    assert probe(saved.video).num_frames == 5


def test_two_who_want_the_same_number_get_two_numbers(new_clip, tmp_path, during):
    out = tmp_path / "cat-svd-0001.mp4"
    first = during(new_clip(), 3, lambda: save(new_clip(2), out))
    assert save(first, out).video == tmp_path / "cat-svd-0002.mp4"
    assert probe(out).num_frames == 2


def test_a_link_to_nowhere_is_not_followed(new_clip, tmp_path, during):
    target = tmp_path / "elsewhere.mp4"
    clip = during(new_clip(), 3, lambda: (tmp_path / "clip.mp4").symlink_to(target))
    assert save(clip, tmp_path / "clip.mp4").video == tmp_path / "clip-svd-0001.mp4"
    assert not target.exists()


def test_frames_that_appear_meanwhile_are_not_overwritten(new_clip, tmp_path, during):
    def write_theirs() -> None:
        (tmp_path / "frames").mkdir()
        (tmp_path / "frames" / "00002.png").write_bytes(b"theirs")

    saved = save(during(new_clip(), 3, write_theirs), tmp_path / "clip.mp4", tmp_path / "frames")
    assert list_names(tmp_path / "frames") == ["00002.png"]
    assert (tmp_path / "frames" / "00002.png").read_bytes() == b"theirs"
    assert saved.frames[0].parent == tmp_path / "frames-2"
    assert any("frames-2" in note for note in saved.notes)


def test_a_video_stays_when_its_frames_find_no_room(new_clip, tmp_path, monkeypatch):
    def refuse_frames(_descriptor: int) -> None:
        if (tmp_path / "clip.mp4").exists():
            refuse_for_space()

    monkeypatch.setattr(os, "fsync", refuse_frames)
    with pytest.raises(ClipNotSaved, match=r"saved as .*clip\.mp4, but its frames"):
        save(new_clip(), tmp_path / "clip.mp4", tmp_path / "frames")
    assert list_names(tmp_path) == ["clip.mp4", "clip.txt"]
    assert probe(tmp_path / "clip.mp4").num_frames == 5


def test_frames_in_a_folder_that_is_not_ours_are_all_or_none(new_clip, tmp_path):
    (tmp_path / "00003.png").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        save_frames(new_clip().frames, tmp_path, "")
    assert list_names(tmp_path) == ["00003.png"]
    assert (tmp_path / "00003.png").read_bytes() == b"theirs"


def remove(folder: Path) -> None:
    """Away with it."""
    shutil.rmtree(folder)


def replace(folder: Path) -> None:
    """A file stands in its place."""
    shutil.rmtree(folder)
    folder.write_bytes(b"theirs")


@pytest.mark.parametrize("harm", [remove, replace])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_clip_whose_folder_went_is_whole_in_the_second_place(new_clip, tmp_path, during, data_folder, harm, when):
    folder = tmp_path / "clips"
    folder.mkdir()
    clip = during(new_clip(), 3, lambda: harm(folder))
    if when == "before":
        clip = new_clip()
        harm(folder)
    saved = save(clip, folder / "clip.mp4", folder / "clip", [Encoding.read("gif")])
    assert_in_second_place(saved, data_folder, "o")
    assert [path.parent for path in saved.frames] == [data_folder / "clip"] * len(clip.frames)
    assert all(path.is_file() for path in (*saved.frames, *saved.copies))
    assert list_names(data_folder) == ["clip", "clip.gif", "clip.mp4", "clip.txt"]
    assert list_names(tmp_path) == (["clips"] if harm is replace else [])


@pytest.mark.parametrize("harm", [remove, replace])
def test_frames_that_are_kept_of_a_clip_without_ffmpeg_are_kept_where_there_is_a_place(
    new_clip, tmp_path, fake_ffmpeg, data_folder, harm
):
    fake_ffmpeg("sys.exit(1)")
    (tmp_path / "clips").mkdir()
    harm(tmp_path / "clips")
    with pytest.raises(EncodeFailed) as caught:
        save(new_clip(), tmp_path / "clips" / "clip.mp4")
    assert f"The 5 frames are kept as pictures in {data_folder / 'clip_frames'};" in str(caught.value)
    assert len(list_names(data_folder / "clip_frames")) == 5


def test_without_a_data_folder_the_folder_for_temporary_files_will_do(new_clip, tmp_path, monkeypatch, data_folder):
    data_folder.parent.write_bytes(b"in the way")
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    saved = save(new_clip(), tmp_path / "gone" / "clip.mp4")
    assert saved.video.parent.parent == tmp_path / "temp"
    assert_in_second_place(saved, saved.video.parent, "No such file")


def test_frames_that_find_no_room_beside_their_video_are_in_the_second_place(
    new_clip, tmp_path, monkeypatch, data_folder
):
    fsync = os.fsync

    def refuse_frames(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        if path.is_relative_to(tmp_path) and path.suffix == ".png":
            refuse_for_space()
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_frames)
    saved = save(new_clip(), tmp_path / "clip.mp4", tmp_path / "clip")
    assert saved.video == tmp_path / "clip.mp4"
    assert [path.parent for path in saved.frames] == [data_folder / "clip"] * 5
    assert saved.notes == (f"{tmp_path / 'clip'} could not be written, so the frames are in {data_folder / 'clip'}.",)
    assert list_names(tmp_path) == ["clip.mp4", "clip.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows renames in one step")
def test_a_name_that_was_claimed_in_vain_is_given_back(tmp_path, monkeypatch):
    def interrupt(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "hardlink_to", refuse_for_space)
    monkeypatch.setattr(Path, "replace", interrupt)
    (tmp_path / "hidden").write_bytes(b"ours")
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path / "hidden", tmp_path / "clip.mp4")
    assert list_names(tmp_path) == ["hidden"]


def test_files_that_have_their_names_keep_them_where_the_hidden_ones_cannot_be_removed(tmp_path, monkeypatch):
    """A disk that turns read-only between the two: no clip loses its settings, and none is there twice."""
    unlink = os.unlink

    def refuse(path, **how):
        if Path(path).name.startswith("unfinished"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        unlink(path, **how)

    with monkeypatch.context() as patched, make_hidden_names(tmp_path) as hidden:
        for suffix in (".txt", ".mp4"):
            hidden(suffix).write_text(suffix)
        patched.setattr(os, "unlink", refuse)
        names = publish_together([hidden(".txt"), hidden(".mp4")], tmp_path / "a.mp4")

    monkeypatch.setattr(files, "is_left", lambda folder: folder.is_dir())
    finish_left(tmp_path)
    assert [name.name for name in names] == ["a.txt", "a.mp4"]
    assert {name: (tmp_path / name).read_text() for name in list_names(tmp_path)} == {"a.mp4": ".mp4", "a.txt": ".txt"}
