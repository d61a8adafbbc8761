"""Extensions: the folders below `extensions-builtin` and `extensions`."""

from __future__ import annotations

from pathlib import Path

from modules import paths, scripts

extensions: list[Extension] = []
extension_paths: dict[str, Extension] = {}
loaded_extensions: dict[str, Extension] = {}


class Extension:
    def __init__(self, name, path, enabled=True, is_builtin=False, metadata=None):
        self.name, self.path, self.enabled, self.is_builtin, self.metadata = name, path, enabled, is_builtin, metadata
        self.canonical_name = name.lower()

    def list_files(self, subdir, extension):
        found = sorted((Path(self.path) / subdir).glob(f"*{extension}"))
        return [scripts.ScriptFile(self.path, file.name, str(file)) for file in found if file.is_file()]


def active():
    return [extension for extension in extensions if extension.enabled]


def list_extensions():
    for known in (extensions, extension_paths, loaded_extensions):
        known.clear()
    for folder, is_builtin in ((paths.extensions_builtin_dir, True), (paths.extensions_dir, False)):
        for path in sorted(Path(folder).iterdir()) if Path(folder).is_dir() else ():
            extension = Extension(path.name, str(path), is_builtin=is_builtin)
            extensions.append(extension)
            extension_paths[str(path.resolve())] = extension
            loaded_extensions[extension.canonical_name] = extension


def find_extension(filename):
    parents = Path(filename).resolve().parents
    return next((extension_paths[str(parent)] for parent in parents if str(parent) in extension_paths), None)
