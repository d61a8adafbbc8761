"""The queue, the worker thread, the bar and the folders of a web UI, over stub hosts."""

from __future__ import annotations

import threading
from datetime import date

import pytest
from PIL import Image

from lib_svd.hosts import webui
from lib_svd.hosts.detect import find_host
from lib_svd.progress import Bar, Progress, Stage, enlarge
from tests.hosts.stub_hosts import FOLDERS

THREADED = [name for name in FOLDERS if name != "a1111"]


@pytest.fixture(params=FOLDERS)
def stub(request, stub_host):
    return stub_host(request.param)


@pytest.fixture
def forge(stub_host):
    return stub_host("forge")


def is_held(stub) -> bool:
    """Whether somebody has the queue."""
    if not stub.queue_lock.acquire(blocking=False):
        return True
    stub.queue_lock.release()
    return False


def test_work_has_the_queue_and_a_job_and_gives_both_back(stub):
    host, state = find_host(), stub.shared.state
    assert host.queue.run_exclusively("svd", lambda: (is_held(stub), state.job)) == (True, "svd")
    assert (is_held(stub), state.job) == (False, "")


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_an_error_gives_the_queue_back(stub, error):
    def work() -> None:
        raise error

    with pytest.raises(type(error)):
        find_host().queue.run_exclusively("svd", work)
    assert (is_held(stub), stub.shared.state.job) == (False, "")


@pytest.mark.parametrize("name", THREADED)
def test_no_error_gets_into_the_hosts_thread_which_would_remember_it(stub_host, name):
    stub = stub_host(name)
    with pytest.raises(ZeroDivisionError):
        find_host().queue.run_exclusively("svd", lambda: 1 // 0)
    assert stub.main_thread._stub.escaped == []


def test_a_wrapped_handler_has_its_turn_already(stub):
    host = find_host()
    with stub.queue_lock:
        stub.shared.state.begin(job="task(1)")
        with host.queue.mark_queued():
            assert host.queue.run_exclusively("svd", lambda: stub.shared.state.job) == "task(1)"
        assert is_held(stub)


def test_what_the_host_does_next_is_not_shown_under_our_text(stub):
    host = find_host()
    with host.queue.mark_queued():
        host.queue.run_exclusively("svd", lambda: host.queue.report(Progress(Stage.DECODING, 40, 40)))
    assert stub.shared.state.textinfo is None


def test_marks_are_taken_off_again(forge):
    host = find_host()
    with pytest.raises(KeyError), host.queue.mark_queued():
        raise KeyError
    assert host.queue.run_exclusively("svd", lambda: is_held(forge))


def test_all_work_is_on_one_thread(stub):
    host, seen = find_host(), []
    callers = [
        threading.Thread(target=lambda: seen.append(host.queue.run_exclusively("svd", threading.get_ident)))
        for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(set(seen)) == 1
    assert seen[0] not in {threading.get_ident(), *(caller.ident for caller in callers)}


@pytest.mark.parametrize("name", THREADED)
def test_that_thread_is_the_hosts(stub_host, name):
    thread = stub_host(name).main_thread._stub.thread
    assert find_host().queue.run_exclusively("svd", threading.current_thread) is thread


@pytest.mark.parametrize("name", THREADED)
def test_a_hook_on_the_hosts_thread_does_not_wait_for_itself(stub_host, name):
    stub, host, seen = stub_host(name), find_host(), []

    def hook() -> None:
        with host.queue.mark_queued():
            seen.append(host.queue.run_exclusively("svd", threading.current_thread))

    with stub.queue_lock:
        stub.main_thread.run_and_wait_result(hook)
    assert seen == [stub.main_thread._stub.thread]


@pytest.mark.parametrize("name", THREADED)
def test_a_host_whose_thread_does_not_run_is_not_waited_for(stub_host, name):
    stub_host(name).main_thread._stub.stop()
    assert find_host().queue.run_exclusively("svd", lambda: "done") == "done"


def test_a1111_is_not_disturbed_while_it_loads_its_first_checkpoint(stub_host):
    stub_host("a1111")
    from modules import sd_models

    host, done = find_host(), threading.Event()
    caller = threading.Thread(target=lambda: host.queue.run_exclusively("svd", done.set), daemon=True)
    with sd_models.model_data.lock:
        caller.start()
        assert not done.wait(0.3)
    assert done.wait(20)
    caller.join(20)
    assert host.queue.run_exclusively(
        "svd", lambda: host.queue.run_exclusively("svd", sd_models.model_data.lock.locked)
    )
    assert not sd_models.model_data.lock.locked()


@pytest.mark.parametrize("press", ["interrupt", "skip", "stop_generating"])
def test_every_button_that_stops_is_heard(stub, press):
    host, state = find_host(), stub.shared.state

    def work() -> tuple[bool, bool]:
        before = host.queue.is_interrupted()
        getattr(state, press)()
        return before, host.queue.is_interrupted()

    assert host.queue.run_exclusively("svd", work) == (False, True)
    assert host.queue.run_exclusively("svd", host.queue.is_interrupted) is False


CLIP = [
    (Stage.LOADING, 100),
    (Stage.READING, 2),
    (Stage.SAMPLING, 25),
    (Stage.DECODING, 40),
]


def test_one_bar_runs_through_a_whole_clip():
    bar = Bar()
    shares = [bar.move(Progress(stage, done, total)) for stage, total in CLIP for done in range(total + 1)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert bar.move(Progress(Stage.DECODING, 0, 40)) == 1  # the reference's way of decoding begins anew for every part


def test_the_next_clip_of_a_job_begins_anew():
    bar = Bar()
    bar.move(Progress(Stage.DECODING, 40, 40))
    assert bar.move(Progress(Stage.READING, 0, 2)) < 0.1


def test_while_a_clip_is_measured_the_bar_stays_full():
    bar = Bar()
    bar.move(Progress(Stage.DECODING, 40, 40))
    assert bar.move(Progress(Stage.MEASURING, 0, 1)) == 1


def test_progress_in_words_says_which_file_and_which_clip():
    assert str(Progress(Stage.LOADING, 3, 90, file="svd.safetensors")) == "Loading svd.safetensors 3/90"
    assert str(Progress(Stage.SAMPLING, 4, 10, clip=2, clips=3)) == "Clip 2 of 3: Sampling 4/10"


def test_the_bar_is_of_one_job_unless_the_host_counts_more(forge):
    host, state = find_host(), forge.shared.state
    state.begin()
    host.queue.report(Progress(Stage.SAMPLING, 1, 10))
    assert (state.job_count, state.textinfo) == (1, "Sampling 1/10")
    state.job_count = 4
    host.queue.report(Progress(Stage.SAMPLING, 2, 10))
    assert state.job_count == 4


@pytest.fixture
def shown(forge, monkeypatch):
    """How many of twenty steps, a tenth of a second each, show a picture."""
    clock = iter(range(1000))
    monkeypatch.setattr(webui.time, "monotonic", lambda: 100 + next(clock) / 10)

    def count(**options: object) -> int:
        forge.shared.opts.data.update(options)
        host = find_host()
        for step in range(20):
            host.queue.report(Progress(Stage.SAMPLING, step, 20), lambda: Image.new("RGB", (24, 16)))
        return forge.shared.state.id_live_preview

    return count


def test_pictures_are_shown_twice_a_second(shown):
    assert shown() == 4


@pytest.mark.parametrize("off", ["live_previews_enable", "svd_preview"])
def test_pictures_can_be_switched_off(shown, off):
    assert shown(**{off: False}) == 0


def test_pictures_are_large_enough_to_see():
    assert enlarge(Image.new("RGB", (128, 72))).size == (512, 288)
    assert enlarge(Image.new("L", (40, 80))).size == (256, 512)
    assert enlarge(Image.new("L", (40, 80))).mode == "RGB"


def test_models_are_looked_for_in_our_folder_first_then_where_the_user_says_then_the_hosts(stub, tmp_path):
    host = find_host()
    models = tmp_path / "models"
    assert host.folders.list_model_dirs() == [models / "svd", models / "Stable-diffusion"]
    assert (models / "svd").is_dir()
    stub.shared.cmd_opts.svd_dir = [str(tmp_path / "a"), "b"]
    stub.shared.cmd_opts.ckpt_dir = str(tmp_path / "ckpt")
    stub.shared.opts.add_option("svd_extra_dir", stub.shared.OptionInfo(str(models / "svd")))
    assert host.folders.list_model_dirs() == [
        *(models / "svd", tmp_path / "a", tmp_path / "b", tmp_path / "ckpt", models / "Stable-diffusion"),
    ]


def test_loras_are_looked_for_where_the_web_ui_has_them(stub, tmp_path):
    host = find_host()
    assert host.folders.list_lora_dirs() == [tmp_path / "models" / "Lora"]
    stub.shared.cmd_opts.lora_dir = "more"
    assert host.folders.list_lora_dirs() == [tmp_path / "more"]


def test_models_are_found_in_every_folder_that_neo_names(stub_host, tmp_path):
    stub = stub_host("neo")
    stub.shared.cmd_opts.ckpt_dirs = [str(tmp_path / "ComfyUI" / "models" / name) for name in ("checkpoints", "unet")]
    models = tmp_path / "models"
    assert find_host().folders.list_model_dirs() == [
        *(models / "svd", tmp_path / "ComfyUI/models/checkpoints", tmp_path / "ComfyUI/models/unet"),
        models / "Stable-diffusion",
    ]


def test_clips_go_among_neos_videos(stub_host, tmp_path):
    shared = stub_host("neo").shared
    host, opts = find_host(), shared.opts
    opts.save_to_dirs = False
    opts.add_option("outdir_videos", shared.OptionInfo(str(tmp_path / "videos")))
    assert host.folders.find_output_dir() == tmp_path / "videos" / "svd"
    opts.outdir_samples = str(tmp_path / "everything")
    assert host.folders.find_output_dir() == tmp_path / "everything"


def test_clips_go_beside_the_hosts_own_pictures(stub, tmp_path):
    host, opts = find_host(), stub.shared.opts
    assert host.folders.find_output_dir() == tmp_path / "outputs" / "svd" / date.today().isoformat()
    opts.save_to_dirs = False
    assert host.folders.find_output_dir() == tmp_path / "outputs" / "svd"
    opts.add_option("outdir_svd_samples", stub.shared.OptionInfo("clips"))
    assert host.folders.find_output_dir() == tmp_path / "clips"
    opts.outdir_samples = str(tmp_path / "everything")
    assert host.folders.find_output_dir() == tmp_path / "everything"
    assert host.folders.find_output_dir().is_dir()


def test_clips_of_other_days_are_known_with_todays_first(stub, tmp_path):
    host, opts = find_host(), stub.shared.opts
    root, today = tmp_path / "outputs" / "svd", date.today().isoformat()
    for name in ("2020-01-02", "2020-01-01", "trash", "2020-01-01/trash"):
        (root / name).mkdir(parents=True)
    (tmp_path / "2020-01-03").mkdir()
    (root / "2020-01-03").symlink_to(tmp_path / "2020-01-03")  # it leads out of the folder
    assert host.folders.list_clip_dirs() == [root / today, root / "2020-01-02", root / "2020-01-01", root]
    opts.save_to_dirs = False
    assert host.folders.list_clip_dirs() == [root, root / today, root / "2020-01-02", root / "2020-01-01"]
