// A mask is painted over the picture as the model will see it. `svdPaint` begins, `svdPainted` gives what is painted.
// It is a canvas of our own: gradio 4's editor draws itself anew sixty times a second, hidden or not.

const svdBrush = {share: 1 / 12};  // of the picture's shorter side, where the slider stands in the middle

// Begin to paint; gives what to say, HTML.
function svdPaint(part) {
    const img = document.querySelector(`#${part}_seen img`);
    const board = document.querySelector(`#${part}_painter .svd-paint`);
    if (!img || !img.naturalWidth) return document.querySelector(`#${part}_painter .svd-missing`).innerHTML;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [img.naturalWidth, img.naturalHeight];
    canvas.addEventListener("pointerdown", (event) => svdStroke(board, canvas, event));
    const picture = img.cloneNode();
    picture.removeAttribute("class");
    board.querySelector(".svd-board").replaceChildren(picture, canvas);
    board.hidden = false;
    return "";
}

// Follow one stroke from where the pointer goes down.
function svdStroke(board, canvas, event) {
    const pen = canvas.getContext("2d");
    const isErasing = board.querySelector(".svd-erase").checked || event.button === 2;
    const times = Number(board.querySelector(".svd-brush").value);
    pen.globalCompositeOperation = isErasing ? "destination-out" : "source-over";
    [pen.lineWidth, pen.lineCap, pen.lineJoin] = [svdBrush.share * times * Math.min(canvas.width, canvas.height), "round", "round"];
    [pen.strokeStyle, pen.fillStyle] = ["#fff", "#fff"];
    const place = ({clientX, clientY}) => {
        const box = canvas.getBoundingClientRect();
        return [(clientX - box.left) * canvas.width / box.width, (clientY - box.top) * canvas.height / box.height];
    };
    let last = place(event);
    const draw = (to) => {
        pen.beginPath();
        pen.moveTo(...last);
        pen.lineTo(...to);
        pen.stroke();
        last = to;
    };
    draw([last[0] + 0.01, last[1]]);
    canvas.setPointerCapture(event.pointerId);
    canvas.onpointermove = (moved) => draw(place(moved));
    canvas.onpointerup = canvas.onpointercancel = () => { canvas.onpointermove = null; };
    event.preventDefault();
}

// Give what is painted, white on black, as the address of a PNG, and end; "" where nothing is being painted.
function svdPainted(part) {
    const board = document.querySelector(`#${part}_painter .svd-paint`);
    const canvas = board && board.querySelector("canvas");
    if (!canvas || board.hidden) return "";
    const mask = document.createElement("canvas");
    [mask.width, mask.height] = [canvas.width, canvas.height];
    const pen = mask.getContext("2d");
    pen.fillRect(0, 0, mask.width, mask.height);
    pen.drawImage(canvas, 0, 0);
    board.hidden = true;
    return mask.toDataURL("image/png");
}
