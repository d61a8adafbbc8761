// The bar over a gallery and the picture in it, while a task runs.

function randomId() {
    const part = () => Math.random().toString(36).slice(2, 7);
    return `task(${part()}${part()}${part()})`;
}

function request(url, sent, handler, errorHandler) {
    fetch(url, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(sent)})
        .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
        .then(handler)
        .catch(() => errorHandler());
}

function formatTime(seconds) {
    const two = (number) => String(Math.floor(number)).padStart(2, "0");
    if (seconds > 3600) return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
    return seconds > 60 ? `${two(seconds / 60)}:${two(seconds % 60)}` : `${Math.floor(seconds)}s`;
}

function requestProgress(id_task, progressbarContainer, gallery, atEnd, onProgress, inactivityTimeout = 40) {
    const begun = Date.now();
    const around = progressbarContainer.parentNode;
    let bar = document.createElement("div");
    bar.className = "progressDiv";
    const inner = document.createElement("div");
    inner.className = "progress";
    bar.appendChild(inner);
    around.insertBefore(bar, progressbarContainer);
    let preview = null;
    let wasActive = false;

    const end = () => {
        if (!bar) return;
        around.removeChild(bar);
        bar = null;
        if (gallery && preview) gallery.removeChild(preview);
        atEnd();
    };
    const again = (what) => setTimeout(what, opts.live_preview_refresh_period || 500);

    const ask = () => request("./internal/progress", {id_task, live_preview: false}, (seen) => {
        if (!bar) return;
        const late = (Date.now() - begun) / 1000 > inactivityTimeout;
        if (seen.completed || (!seen.active && (wasActive || (late && !seen.queued)))) return end();
        wasActive = wasActive || seen.active;
        inner.style.width = `${(seen.progress || 0) * 100}%`;
        const parts = [seen.textinfo && !seen.textinfo.includes("\n") ? seen.textinfo : ""];
        if (seen.progress > 0) parts.push(`${(seen.progress * 100).toFixed(0)}%`);
        if (seen.eta) parts.push(`ETA: ${formatTime(seen.eta)}`);
        inner.textContent = parts.filter(Boolean).join(" ");
        if (onProgress) onProgress(seen);
        again(ask);
    }, end);

    const look = (known) => request("./internal/progress", {id_task, id_live_preview: known}, (seen) => {
        if (!bar) return;
        if (seen.live_preview) {
            const picture = new Image();
            picture.onload = () => {
                if (!bar) return;
                if (!preview) {
                    preview = document.createElement("div");
                    preview.className = "livePreview";
                    gallery.insertBefore(preview, gallery.firstElementChild);
                }
                preview.replaceChildren(picture);
            };
            picture.src = seen.live_preview;
        }
        again(() => look(seen.id_live_preview));
    }, end);

    ask();
    if (gallery) look(0);
}
