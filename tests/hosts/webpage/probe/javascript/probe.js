function submit_probe(...values) {
    showSubmitButtons("probe", false);
    const id = randomId();
    requestProgress(id, gradioApp().querySelector("#probe_gallery_container"), gradioApp().querySelector("#probe_gallery"),
        () => showSubmitButtons("probe", true));
    values[0] = id;
    return values.slice(0, 3);
}

function switch_to_probe(...values) {
    const buttons = Array.from(gradioApp().querySelectorAll("#tabs > .tab-nav > button"));
    buttons.find((button) => button.textContent.trim() === "Probe").click();
    return values;
}

function recalculate_prompts_probe(...values) {
    return values;
}
