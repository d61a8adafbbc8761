"""`python -m lib_svd`."""

import os

# Before torch is loaded, which reads it once. Threads that wait by spinning take the cores from whoever could use them:
# beside one busy process the demo's clip took 28 s of two cores with them, and 9 s without; alone it took the same.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from lib_svd.cli import main

if __name__ == "__main__":
    main()
