"""Shows SVD to the web UI that loads this file: the tab, the script for txt2img and img2img, settings, API.

A web UI runs this file again at "Reload UI", but not the package: what must outlive that is in `lib_svd`.
"""

from lib_svd import extension

AnimateWithSvd = extension.register()
