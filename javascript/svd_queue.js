// The queue's script: its buttons, and a look at it every second while something is being made and it is in view.

const SVD_QUEUE_LOOK = "svd_clip_queue_look";

// What was asked for and has not been handed over yet.
let svdQueueAsked = [];

function svdQueueActs() {
    const acts = JSON.stringify(svdQueueAsked);
    svdQueueAsked = [];
    return [acts];
}

document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest(".svd-act") : null;
    if (!button) return;
    button.disabled = true;
    svdQueueAsked.push([button.dataset.act, button.dataset.job]);
    svdAsk(SVD_QUEUE_LOOK);
});

// The list is written anew with every look: whoever was on a button stays on it.
let svdQueueFocus = "";
document.addEventListener("focusin", (event) => {
    const button = event.target instanceof Element ? event.target.closest(".svd-act") : null;
    svdQueueFocus = button ? '[data-act="' + button.dataset.act + '"][data-job="' + button.dataset.job + '"]' : "";
});

function svdQueueKeepFocus() {
    if (!svdQueueFocus || (document.activeElement && document.activeElement !== document.body)) return;
    const button = gradioApp().querySelector(".svd-act" + svdQueueFocus);
    if (button) button.focus();
}

let svdQueueLooks = 0;
setInterval(() => {
    const jobs = gradioApp().querySelector(".svd-jobs");
    if (!jobs || jobs.offsetParent === null || document.hidden) return;
    svdQueueKeepFocus();
    svdQueueLooks += 1;
    if (jobs.dataset.busy === "true" || svdQueueLooks % 5 === 0) svdAsk(SVD_QUEUE_LOOK);
}, 1000);
