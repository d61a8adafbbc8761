// The history's script: cards are chosen, clips play on pointing at them, clips that are compared play in step.
// Which ones are chosen stands in the line above them, which the server writes anew with those that are still there.

function svdChosenPaths() {
    const chosen = gradioApp().querySelector(".svd-chosen");
    return chosen ? JSON.parse(chosen.dataset.paths) : [];
}

// Inputs of an event, of which the first two are to be the paths of the chosen clips and of all that are in view.
function svdChosen(given, count) {
    const seen = Array.from(gradioApp().querySelectorAll(".svd-card"), (card) => card.dataset.clip);
    return [JSON.stringify(svdChosenPaths()), JSON.stringify(seen), ...Array.from(given).slice(2, count)];
}

// Pages to turn by clicks that have not been handed over yet: several may come while one is being answered.
let svdPagesToTurn = 0;

function svdTurn(pages, button) {
    svdPagesToTurn += pages;
    svdAsk(button);
}

// The same inputs, of which the last is the number of the page that shall be shown.
function svdTurned(given, count) {
    const inputs = svdChosen(given, count);
    inputs[count - 1] += svdPagesToTurn;
    svdPagesToTurn = 0;
    return inputs;
}

function svdInside(event, what) {
    return event.target instanceof Element ? event.target.closest(what) : null;
}

document.addEventListener("click", (event) => {
    const card = svdInside(event, ".svd-card");
    if (!card) return;
    const path = card.dataset.clip;
    const paths = svdChosenPaths().filter((each) => each !== path);
    const isChosen = card.getAttribute("aria-pressed") !== "true";
    if (isChosen) paths.push(path);
    card.setAttribute("aria-pressed", isChosen);
    const chosen = gradioApp().querySelector(".svd-chosen");
    chosen.dataset.paths = JSON.stringify(paths);
    chosen.dataset.count = paths.length;
});

// A browser that stops loading a clip rejects the promise of its playing: there is nothing to be done about that.
function svdPlay(video) {
    video.play().catch(() => {});
}

for (const kind of ["mouseover", "focusin"]) {
    document.addEventListener(kind, (event) => {
        const card = svdInside(event, ".svd-card");
        if (card) svdPlay(card.querySelector("video"));
    });
}

for (const kind of ["mouseout", "focusout"]) {
    document.addEventListener(kind, (event) => {
        const card = svdInside(event, ".svd-card");
        if (card && !card.contains(event.relatedTarget)) card.querySelector("video").pause();
    });
}

// Bring clips that are compared to where one of them is, by the share of its length. A clip that is there already is
// left alone: so what this does to the others comes to rest, though each of them tells of it too.
function svdInStep(video, what) {
    const near = video.paused ? 0.001 : 0.1; // of the length; while clips play, a little apart is near enough
    const group = video.closest(".svd-compare");
    const clips = group ? Array.from(group.querySelectorAll("video")) : [];
    if (!clips.length || clips.some((each) => !(each.duration > 0))) return;
    const longest = Math.max(...clips.map((each) => each.duration));
    const share = video.currentTime / video.duration;
    for (const each of clips) {
        each.playbackRate = each.duration / longest;
        const apart = Math.abs(each.currentTime / each.duration - share);
        if (Math.min(apart, 1 - apart) > near) each.currentTime = share * each.duration; // the end is at the beginning
        if (what === "play" && each.paused) svdPlay(each);
        if (what === "pause") each.pause();
    }
}

// Events of a video do not rise, but can be caught on their way down.
for (const kind of ["loadedmetadata", "play", "pause", "seeking", "timeupdate"]) {
    document.addEventListener(kind, (event) => {
        if (svdInside(event, ".svd-compare video")) svdInStep(event.target, event.type);
    }, true);
}
