// What scripts of extensions build on: the page, its changes, its options, the keyboard.

function gradioApp() {
    const app = document.querySelector("gradio-app");
    if (!app) return document;
    app.getElementById = (id) => document.getElementById(id);
    return app.shadowRoot || app;
}

const get_uiCurrentTab = () => gradioApp().querySelector("#tabs > .tab-nav > button.selected");
const get_uiCurrentTabContent = () =>
    gradioApp().querySelector('#tabs > .tabitem[id^=tab_]:not([style*="display: none"])');

const uiUpdateCallbacks = [];
const uiAfterUpdateCallbacks = [];
const uiLoadedCallbacks = [];
const uiTabChangeCallbacks = [];
const optionsChangedCallbacks = [];
const optionsAvailableCallbacks = [];

function onUiUpdate(callback) { uiUpdateCallbacks.push(callback); }
function onAfterUiUpdate(callback) { uiAfterUpdateCallbacks.push(callback); }
function onUiLoaded(callback) { uiLoadedCallbacks.push(callback); }
function onUiTabChange(callback) { uiTabChangeCallbacks.push(callback); }
function onOptionsChanged(callback) { optionsChangedCallbacks.push(callback); }
function onOptionsAvailable(callback) {
    if (Object.keys(opts).length) callback();
    else optionsAvailableCallbacks.push(callback);
}

function executeCallbacks(queue, given) {
    for (const callback of queue) {
        try {
            callback(given);
        } catch (error) {
            console.error("a callback failed:", error);
        }
    }
}

let loaded = false;
let shownTab = null;
let afterUpdate = null;

document.addEventListener("DOMContentLoaded", () => {
    new MutationObserver((changes) => {
        if (!loaded && gradioApp().querySelector("#txt2img_prompt")) {
            loaded = true;
            executeCallbacks(uiLoadedCallbacks);
        }
        executeCallbacks(uiUpdateCallbacks, changes);
        clearTimeout(afterUpdate);
        afterUpdate = setTimeout(() => executeCallbacks(uiAfterUpdateCallbacks), 200);
        const tab = get_uiCurrentTab();
        if (tab && tab !== shownTab) {
            shownTab = tab;
            executeCallbacks(uiTabChangeCallbacks);
        }
    }).observe(gradioApp(), {childList: true, subtree: true});
});

var opts = {};
onAfterUiUpdate(() => {
    const text = gradioApp().querySelector("#settings_json textarea");
    if (Object.keys(opts).length || !text || !text.value) return;
    opts = JSON.parse(text.value);
    executeCallbacks(optionsAvailableCallbacks);
    executeCallbacks(optionsChangedCallbacks);
    const own = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value");
    Object.defineProperty(text, "value", {
        get: () => own.get.call(text),
        set: (value) => {
            const changed = own.get.call(text) !== value;
            own.set.call(text, value);
            if (changed) opts = JSON.parse(value);
            executeCallbacks(optionsChangedCallbacks);
        },
    });
});

document.addEventListener("keydown", (event) => {
    const tab = get_uiCurrentTabContent();
    const button = (name) => tab && tab.querySelector(`button[id$=_${name}]`);
    const running = button("interrupt") && button("interrupt").style.display === "block";
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        if (running) button("interrupt").click();
        else button("generate").click();
        event.preventDefault();
    } else if (event.key === "Enter" && event.altKey) {
        button("skip").click();
        event.preventDefault();
    } else if (event.key === "Escape" && running) {
        button("interrupt").click();
        event.preventDefault();
    }
});

function updateInput(target) {
    const event = new Event("input", {bubbles: true});
    Object.defineProperty(event, "target", {value: target});
    target.dispatchEvent(event);
}

function localSet(key, value) { localStorage.setItem(key, value); }
function localGet(key, fallback) { return localStorage.getItem(key) ?? fallback; }
function localRemove(key) { localStorage.removeItem(key); }

function inputAccordionChecked(id, checked) {
    const accordion = gradioApp().getElementById(id);
    const label = accordion && accordion.querySelector(".label-wrap");
    if (label && label.classList.contains("open") !== checked) label.click();
}

onUiLoaded(() => {
    for (const accordion of gradioApp().querySelectorAll(".input-accordion")) {
        const label = accordion.querySelector(".label-wrap");
        const checkbox = gradioApp().querySelector(`#${accordion.id}-checkbox input`);
        if (!label || !checkbox) continue;
        new MutationObserver(() => {
            const open = label.classList.contains("open");
            if (checkbox.checked !== open) {
                checkbox.checked = open;
                checkbox.dispatchEvent(new Event("change", {bubbles: true}));
            }
        }).observe(label, {attributes: true, attributeFilter: ["class"]});
    }
});
