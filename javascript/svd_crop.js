// Over the tab's picture: a frame round the part that a crop keeps. Drag it, or one of its corners; what it shows then
// is handed to the controls by a hidden button, whose event takes `svdCrop.view`.

const svdCrop = {view: [0.5, 0.5, 1], closest: 8};

// Where the picture is inside its element, which may leave bars: left, top, width, height in pixels of the page.
function svdPictureArea(img, root) {
    const [box, outer] = [img.getBoundingClientRect(), root.getBoundingClientRect()];
    const scale = Math.min(box.width / img.naturalWidth, box.height / img.naturalHeight);
    const [width, height] = [img.naturalWidth * scale, img.naturalHeight * scale];
    const left = box.left - outer.left + (box.width - width) / 2 - root.clientLeft;
    const top = box.top - outer.top + (box.height - height) / 2 - root.clientTop;
    return {left, top, width, height};
}

// A frame [left, top, right, bottom], in shares of the picture, moved by (x, y) but inside it.
function svdMovedFrame([left, top, right, bottom], x, y) {
    const dx = Math.min(Math.max(x, -left), 1 - right);
    const dy = Math.min(Math.max(y, -top), 1 - bottom);
    return [left + dx, top + dy, right + dx, bottom + dy];
}

// The same frame with one corner at (x, y), as near as its shape, the picture's borders and the closest zoom allow.
// `toRight`, `toBottom`: which corner; `widest`: the largest crop's width.
function svdResizedFrame([left, top, right, bottom], x, y, toRight, toBottom, widest) {
    const shape = (bottom - top) / (right - left);
    const [fixedX, fixedY] = [toRight ? left : right, toBottom ? top : bottom];
    const wanted = Math.max(Math.abs(x - fixedX), Math.abs(y - fixedY) / shape);
    const room = Math.min(toRight ? 1 - fixedX : fixedX, (toBottom ? 1 - fixedY : fixedY) / shape);
    const width = Math.min(Math.max(wanted, widest / svdCrop.closest), room, widest);
    const [l, t] = [toRight ? fixedX : fixedX - width, toBottom ? fixedY : fixedY - width * shape];
    return [l, t, l + width, t + width * shape];
}

class SvdCropFrame {
    constructor(part, root, settings) {
        this.part = part;
        this.root = root;
        this.settings = settings;
        this.area = document.createElement("div");
        this.area.className = "svd-crop-area";
        this.area.innerHTML = '<div class="svd-crop-frame" title="Drag to choose what the model sees">'
            + "<i></i>".repeat(4) + "</div>";
        this.frame = this.area.firstChild;
        this.frame.addEventListener("pointerdown", (event) => this.grab(event));
        this.root.append(this.area);
        new ResizeObserver(() => this.place()).observe(root);
        const changes = {childList: true, subtree: true, attributes: true, attributeFilter: ["src", "data-box"]};
        new MutationObserver(() => this.place()).observe(settings, changes);
        this.place();
    }

    // Take the frame from what the server said of the picture that is shown; without a crop there is none.
    place() {
        const img = this.root.querySelector("img");
        const kept = this.settings.querySelector(".svd-kept");
        if (img && !img.naturalWidth) img.addEventListener("load", () => this.place(), {once: true});
        const shows = Boolean(img && kept && img.naturalWidth && img.getBoundingClientRect().width);
        this.area.style.display = shows ? "block" : "none";
        if (!shows || this.held) return;
        const area = svdPictureArea(img, this.root);
        for (const side of ["left", "top", "width", "height"]) this.area.style[side] = area[side] + "px";
        this.show(kept.dataset.box.split(" ").map(Number));
        this.widest = (this.box[2] - this.box[0]) * Number(kept.dataset.zoom);
    }

    show(box) {
        this.box = box;
        const [left, top, right, bottom] = box.map((share) => 100 * share);
        Object.assign(this.frame.style, {
            left: left + "%", top: top + "%", width: right - left + "%", height: bottom - top + "%",
        });
    }

    grab(event) {
        if (event.button !== 0) return;
        event.preventDefault();
        this.held = true;
        this.frame.setPointerCapture(event.pointerId);
        const corner = Array.from(this.frame.children).indexOf(event.target);
        const [from, at] = [this.box, this.shareAt(event)];
        const move = (moved) => {
            const [x, y] = this.shareAt(moved);
            this.show(corner < 0 ? svdMovedFrame(from, x - at[0], y - at[1])
                : svdResizedFrame(from, x, y, corner % 2 === 1, corner > 1, this.widest));
        };
        const drop = (moved) => {
            this.frame.removeEventListener("pointermove", move);
            this.held = false;
            if (moved.type === "pointerup") this.hand();
            else this.place();
        };
        this.frame.addEventListener("pointermove", move);
        for (const end of ["pointerup", "pointercancel"]) this.frame.addEventListener(end, drop, {once: true});
    }

    shareAt(event) {
        const box = this.area.getBoundingClientRect();
        return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    }

    hand() {
        const [left, top, right, bottom] = this.box;
        const round = (value, places) => Math.round(value * 10 ** places) / 10 ** places;
        const zoom = Math.max(1, round(this.widest / (right - left), 2));
        svdCrop.view = [round((left + right) / 2, 3), round((top + bottom) / 2, 3), zoom];
        gradioApp().querySelector("#" + this.part + "_dragged").click();
    }
}

if (typeof onUiLoaded === "function") onUiLoaded(() => {
    const [root, settings] = ["picture", "settings"].map((name) => gradioApp().querySelector("#svd_clip_" + name));
    if (root && settings) new SvdCropFrame("svd_clip", root, settings);
});
