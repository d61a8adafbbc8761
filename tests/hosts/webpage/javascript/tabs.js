// Buttons of the host's own tabs, and what a gallery hands to another tab.

const IS_GRADIO_3 = () => (window.gradio_config.version || "").startsWith("3");

function all_gallery_buttons() {
    const tab = get_uiCurrentTabContent();
    const every = tab ? tab.querySelectorAll("div[id$=_gallery].gradio-gallery .thumbnail-item.thumbnail-small") : [];
    return Array.from(every).filter((button) => button.parentElement.offsetParent);
}

const selected_gallery_button = () =>
    all_gallery_buttons().find((button) => button.classList.contains("selected")) ?? null;
const selected_gallery_index = () =>
    all_gallery_buttons().findIndex((button) => button.classList.contains("selected"));

function extract_image_from_gallery(gallery) {
    if (!gallery || !gallery.length) return [null];
    const index = selected_gallery_index();
    const chosen = gallery[index < 0 || index >= gallery.length ? 0 : index];
    return IS_GRADIO_3() ? [chosen] : [[chosen]];
}

// gradio 3 gives the buttons of tabs no ids, but they are in the order of the tabs.
function openTab(part, given) {
    const tabs = Array.from(gradioApp().querySelectorAll("#tabs > .tabitem"));
    const place = tabs.findIndex((tab) => tab.id === `tab_${part}`);
    gradioApp().querySelectorAll("#tabs > .tab-nav > button")[place].click();
    return Array.from(given);
}

function switch_to_txt2img() { return openTab("txt2img", arguments); }
function switch_to_extras() { return openTab("extras", arguments); }
function switch_to_img2img_tab(number) {
    openTab("img2img", []);
    gradioApp().getElementById("mode_img2img").querySelectorAll("button")[number].click();
}
function switch_to_img2img() { switch_to_img2img_tab(0); return Array.from(arguments); }
function switch_to_inpaint() { switch_to_img2img_tab(1); return Array.from(arguments); }

function recalculate_prompts_txt2img() { return Array.from(arguments); }
function recalculate_prompts_img2img() { return Array.from(arguments); }
function recalculate_prompts_inpaint() { return Array.from(arguments); }

function setSubmitButtonsVisibility(part, interrupt, skip, interrupting) {
    for (const [name, shown] of Object.entries({interrupt, skip, interrupting})) {
        gradioApp().getElementById(`${part}_${name}`).style.display = shown ? "block" : "none";
    }
}
function showSubmitButtons(part, show) { setSubmitButtonsVisibility(part, !show, !show, false); }
function showSubmitInterruptingPlaceholder(part) { setSubmitButtonsVisibility(part, false, true, true); }

// gradio hands over inputs, then outputs: of those the gallery is first, and it is not wanted back.
function create_submit_args(given) {
    const values = Array.from(given);
    for (const count of IS_GRADIO_3() ? [] : [4, 3]) {
        if (Array.isArray(values[values.length - count])) return values.slice(0, values.length - count);
    }
    if (IS_GRADIO_3() && Array.isArray(values[values.length - 3])) values[values.length - 3] = null;
    return values;
}

function submitted(part, given) {
    showSubmitButtons(part, false);
    const id = randomId();
    const element = (name) => gradioApp().getElementById(`${part}_${name}`);
    requestProgress(id, element("gallery_container"), element("gallery"), () => showSubmitButtons(part, true));
    const values = create_submit_args(given);
    values[0] = id;
    return values;
}

function submit() { return submitted("txt2img", arguments); }
function submit_img2img() { return submitted("img2img", arguments); }
function submit_extras() { return submitted("extras", arguments); }

function restart_reload() {
    document.body.innerHTML = "<h1>Reloading...</h1>";
    const ping = () => fetch("./internal/ping")
        .then((answer) => (answer.ok ? location.reload() : Promise.reject(new Error("not yet"))))
        .catch(() => setTimeout(ping, 500));
    setTimeout(ping, 2000);
    return [];
}

onUiLoaded(() => {
    for (const part of ["txt2img", "img2img"]) {
        const gallery = gradioApp().getElementById(`${part}_gallery`);
        gallery.addEventListener("click", () => setTimeout(() => {
            if (selected_gallery_index() < 0) return;
            const shower = gradioApp().getElementById(`${part}_generation_info_button`);
            if (shower) shower.click();
        }, 50));
    }
});
