// What a web UI's scripts define, for the page that stands alone: the tab's script calls these.

function gradioApp() {
    const root = document.querySelector("gradio-app");
    return (root && root.shadowRoot) || document;
}

// The scripts run when the page is there already; a web UI's run before.
function onUiLoaded(callback) {
    setTimeout(callback, 0);
}

function randomId() {
    return "task(" + Math.random().toString(36).slice(2) + Math.random().toString(36).slice(2) + ")";
}

// Shown while the server does not answer.
const svdGone = document.createElement("div");
svdGone.className = "svd-gone";
svdGone.textContent = "The program that this page belongs to does not answer: it has ended, or is very busy. "
    + "If it has ended, start it again, and load this page again.";
document.body.append(svdGone);
const SVD_BEAT = 5000;  // milliseconds
setInterval(() => {
    if (!document.hidden) svdState({id_task: ""});
}, SVD_BEAT);

function showSubmitButtons(part, show) {
    gradioApp().querySelector("#" + part + "_generate").style.display = show ? "" : "none";
    gradioApp().querySelector("#" + part + "_interrupt").style.display = show ? "none" : "";
}

function svdDuration(seconds) {
    const whole = Math.round(seconds);
    return whole < 60 ? whole + " s" : Math.floor(whole / 60) + " min " + (whole % 60) + " s";
}

// What the server says of a task; null: it does not answer, which the page says until it does.
async function svdState(asked) {
    const headers = {"Content-Type": "application/json"};
    const state = await fetch("internal/progress", {method: "POST", headers, body: JSON.stringify(asked)})
        .then((answer) => (answer.ok ? answer.json() : null))
        .catch(() => null);
    svdGone.style.display = state || svdIsLeft ? "none" : "block";
    return state;
}

// Ask for the task's state until it ends: a bar before `container`, a preview over `gallery`; then `atEnd`.
async function requestProgress(id, container, gallery, atEnd) {
    const bar = document.createElement("div");
    bar.className = "progressDiv";
    bar.innerHTML = '<div class="progress"></div><span></span>';
    container.parentNode.insertBefore(bar, container);
    const preview = new Image();
    preview.className = "livePreview";
    let seen = -1;
    let wasActive = false;
    const began = Date.now();
    for (;;) {
        const state = await svdState({id_task: id, id_live_preview: seen, live_preview: true});
        const isLost = state && !state.active && !state.queued && (wasActive || Date.now() - began > 10000);
        if (svdIsLeft || (state && state.completed) || isLost) break;
        if (!state) {
            await new Promise((wake) => setTimeout(wake, 1000));
            continue;
        }
        wasActive = wasActive || state.active;
        const percent = Math.round(100 * (state.progress || 0));
        bar.firstChild.style.transform = "scaleX(" + percent / 100 + ")";  // a width would lay the page out at every frame
        const eta = state.eta ? ", " + svdDuration(state.eta) + " left" : "";
        bar.lastChild.textContent = state.textinfo + (state.active ? ": " + percent + " %" + eta : "");
        document.title = state.active ? percent + " % SVD" : "SVD for Forge";
        if (state.live_preview) {
            seen = state.id_live_preview;
            preview.src = state.live_preview;
            if (!preview.isConnected) gallery.insertBefore(preview, gallery.firstChild);
        }
        await new Promise((wake) => setTimeout(wake, 400));
    }
    document.title = "SVD for Forge";
    bar.remove();
    preview.remove();
    atEnd();
}

(() => {
    const style = document.createElement("style");
    style.textContent = `
        .progressDiv { position: relative; height: 1.6em; border-radius: 6px; overflow: hidden; margin-bottom: .5em;
            background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
        .progressDiv .progress { height: 100%; background: var(--color-accent); opacity: .35;
            transform: scaleX(0); transform-origin: left; transition: transform .3s; }
        .progressDiv span { position: absolute; inset: 0; text-align: center; line-height: 1.5em; font-size: .9em; }
        [id$="_gallery"] { position: relative; }
        .livePreview { position: absolute; inset: 0; width: 100%; height: 100% !important; object-fit: contain;
            z-index: 30; background: var(--background-fill-primary); }
        button.tool { min-width: 2.4em !important; max-width: 2.8em; align-self: end; height: 2.6em; padding: 0; }
        .svd-gone { display: none; position: fixed; inset: 0 0 auto; z-index: 1000; padding: .7em; text-align: center;
            font-weight: 600; color: white; background: #b91c1c; }
        footer { display: none !important; }
    `;
    document.head.append(style);
    const click = (name) => {
        const button = gradioApp().querySelector("#svd_clip_" + name);
        // Interrupt counts wherever one is on the page, Generate where it can be seen.
        if (button && button.style.display !== "none" && (button.offsetParent || name === "interrupt")) button.click();
    };
    document.addEventListener("keydown", (event) => {
        if (event.key === "Escape") click("interrupt");
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) click("generate");
    });
    showSubmitButtons("svd_clip", true);
})();
