"""Settings: known names with a default, unknown ones raise AttributeError."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

options_builtin_fields = {"data_labels", "data", "restricted_opts", "typemap"}


class OptionInfo:
    def __init__(
        self,
        default=None,
        label="",
        component=None,
        component_args=None,
        onchange=None,
        section=None,
        refresh=None,
        comment_before="",
        comment_after="",
        infotext=None,
        restrict_api=False,
        category_id=None,
    ):
        self.default, self.label, self.component, self.component_args = default, label, component, component_args
        self.onchange, self.section, self.refresh, self.infotext = onchange, section, refresh, infotext
        self.comment_before, self.comment_after = comment_before, comment_after
        self.restrict_api, self.category_id = restrict_api, category_id
        self.do_not_save = False

    def link(self, label, url):
        self.comment_before += f"<a href='{url}'>{label}</a>"
        return self

    def js(self, label, js_func):
        self.comment_before += f"<a onclick='{js_func}()'>{label}</a>"
        return self

    def info(self, info):
        self.comment_after += f"({info})"
        return self

    def html(self, html):
        self.comment_after += html
        return self

    def needs_restart(self):
        return self.info("requires restart")

    def needs_reload_ui(self):
        return self.info("requires Reload UI")


class OptionHTML(OptionInfo):
    def __init__(self, text):
        super().__init__(str(text), label="")
        self.do_not_save = True


def options_section(section_identifier, options_dict):
    for info in options_dict.values():
        info.section = tuple(section_identifier[:2])
    return options_dict


class Options:
    def __init__(self, data_labels: dict[str, OptionInfo], restricted_opts):
        self.data_labels = data_labels
        self.data = {key: info.default for key, info in data_labels.items() if not info.do_not_save}
        self.restricted_opts = restricted_opts

    def __setattr__(self, key, value):
        if key not in options_builtin_fields and (key in self.data or key in self.data_labels):
            self.data[key] = value
        else:
            super().__setattr__(key, value)

    def __getattr__(self, item):
        if item in options_builtin_fields:
            return super().__getattribute__(item)
        if item in self.data:
            return self.data[item]
        if item in self.data_labels:
            return self.data_labels[item].default
        raise AttributeError(item)

    def set(self, key, value, is_api=False, run_callbacks=True):
        info = self.data_labels[key]
        if self.data.get(key) == value or info.do_not_save or (is_api and info.restrict_api):
            return False
        setattr(self, key, value)
        if run_callbacks and info.onchange is not None:
            info.onchange()
        return True

    def get_default(self, key):
        info = self.data_labels.get(key)
        return None if info is None else info.default

    def save(self, filename):
        Path(filename).write_text(json.dumps(self.data, indent=4), "utf-8")

    def load(self, filename):
        path = Path(filename)
        self.data = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def onchange(self, key, func, call=True):
        self.data_labels[key].onchange = func
        if call:
            func()

    def add_option(self, key, info):
        self.data_labels[key] = info
        if key not in self.data and not info.do_not_save:
            self.data[key] = info.default

    def dumpjson(self):
        known: dict[str, Any] = {key: self.data.get(key, info.default) for key, info in self.data_labels.items()}
        return json.dumps(known)
