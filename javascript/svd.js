// The tab's script. It uses what a web UI's own scripts define: gradioApp, randomId, requestProgress, showSubmitButtons.
// In a page without the tab it does nothing.

function svdTaskKey(part) {
    return part + "_task_id";
}

// A page that is being left loses its requests, which looks like the end of the task and is not.
let svdIsLeft = false;
window.addEventListener("beforeunload", () => {
    svdIsLeft = true;
});

// Follow a task until it ends: bar below Generate, preview over the frames, Interrupt instead of Generate; then `atEnd`.
function svdFollow(part, id, atEnd) {
    const find = (name) => gradioApp().querySelector("#" + part + "_" + name);
    showSubmitButtons(part, false);
    sessionStorage.setItem(svdTaskKey(part), id);
    requestProgress(id, find("progress"), find("gallery"), () => {
        showSubmitButtons(part, true);
        if (!svdIsLeft) atEnd();
    });
}

// Go to where a clip appears, unless that is in view.
function svdShowResults(part) {
    const panel = gradioApp().querySelector("#" + part + "_results_panel");
    const top = panel.getBoundingClientRect().top;
    if (top < 0 || top > window.innerHeight / 2) panel.scrollIntoView({behavior: "smooth"});
}

// The id of the task that is followed; "": none is.
function svdFollowed(part) {
    return sessionStorage.getItem(svdTaskKey(part)) || "";
}

// The id of the task that was followed; from now on it is not.
function svdTaken(part) {
    const id = svdFollowed(part);
    sessionStorage.removeItem(svdTaskKey(part));
    return id;
}

// Gradio hands over inputs and then outputs; `count` is the number of inputs, of which the first is the task's id.
function svdSubmit(part, given, count) {
    const id = randomId();
    svdFollow(part, id, () => svdTaken(part));
    return [id, ...Array.from(given).slice(1, count)];
}

// Interrupt and Skip are for this page's own job, and others may be made or wait before it: so the server is asked first,
// and takes out of the queue what waits. What runs in a web UI is stopped by the button itself.
let svdStopButton = null;
let svdPressesThrough = false;
document.addEventListener("click", (event) => {
    const own = ["interrupt", "skip", "interrupting"].map((name) => "#svd_clip_" + name).join(", ");
    if (svdPressesThrough || !(event.target instanceof Element) || !event.target.closest(own)) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    svdStopButton = event.target;
    gradioApp().querySelector("#svd_clip_stop").click();
}, true);

function svdPressThrough(task) {
    if (!task || task !== svdFollowed("svd_clip")) return;
    svdPressesThrough = true;
    svdStopButton.click();
    svdPressesThrough = false;
}

// Buttons that wait to be pressed.
const svdWaiting = new Set();

// Press a button when the models are there: until then what stands in their list is no model, and gradio would refuse it.
// The line below the list then begins with a name.
function svdPress(button) {
    const lines = Array.from(gradioApp().querySelectorAll('[id$="_about"]'));
    const beside = lines.filter((line) => button.startsWith(line.id.slice(0, -"_about".length) + "_"));
    if (beside.every((line) => line.querySelector("b"))) {
        svdWaiting.delete(button);
        gradioApp().querySelector("#" + button).click();
    } else if (!svdWaiting.has(button)) {
        svdWaiting.add(button);
        const wait = setInterval(() => {
            svdPress(button);
            if (!svdWaiting.has(button)) clearInterval(wait);
        }, 50);
    }
}

// Questions that are under way, by the id of the button that asks them; true: something has changed since.
const svdAsked = new Map();

// Ask by a button, or once more when the answer is there: so answers come in the order of what they are about.
function svdAsk(button) {
    if (svdAsked.has(button)) {
        svdAsked.set(button, true);
        return;
    }
    svdAsked.set(button, false);
    svdPress(button);
}

// The answer is on the page, or there is none.
function svdAnswered(button) {
    const isOld = svdAsked.get(button);
    svdAsked.delete(button);
    if (isOld) svdAsk(button);
}

// Tabs have no ids in gradio 3, and another one may be called SVD too: the button stands where the tab's content does.
function svdOpenTab(id) {
    const content = gradioApp().querySelector("#" + id);
    if (!content) return;
    const at = Array.from(content.parentNode.querySelectorAll(":scope > .tabitem")).indexOf(content);
    const buttons = content.parentNode.querySelectorAll(":scope > .tab-nav > button");
    (gradioApp().querySelector("#" + id + "-button") || buttons[at]).click();
}

// Web UIs call this when something is sent to the tab.
function switch_to_svd_clip() {
    svdOpenTab("tab_svd_clip");
    svdOpenTab("svd_clip_animate");
    return Array.from(arguments);
}

// Web UIs call this after settings were pasted into a tab; there are no prompts to count here.
function recalculate_prompts_svd_clip() {
    return Array.from(arguments);
}

// A page that was loaded again while a clip is being made shows its progress, and asks for what the old page was to show.
function svdRestore(part) {
    const id = sessionStorage.getItem(svdTaskKey(part));
    const button = gradioApp().querySelector("#" + part + "_returned");
    if (id && button) svdFollow(part, id, () => button.click());
}

if (typeof onUiLoaded === "function") onUiLoaded(() => svdRestore("svd_clip"));

// Ask what "Animate with SVD" made of a job's pictures when the line under the gallery is drawn anew: of a job that was
// refused nothing else is. While a job runs, gradio counts tenths of a second there, so wait until it stands still. What
// it says may be what it said before: two jobs often take as long.
function svdShowClipsAfter(part) {
    const line = gradioApp().querySelector("#html_log_" + part);
    const button = "svd_shown_in_" + part;
    if (!line || !gradioApp().querySelector("#" + button)) return;
    let waiting;
    new MutationObserver(() => {
        clearTimeout(waiting);
        waiting = setTimeout(() => svdAsk(button), 400);
    }).observe(line, {childList: true, characterData: true, subtree: true});
}

if (typeof onUiLoaded === "function") onUiLoaded(() => ["txt2img", "img2img"].forEach(svdShowClipsAfter));
