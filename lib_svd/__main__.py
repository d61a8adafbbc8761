"""`python -m lib_svd`."""

from lib_svd.cli import main

if __name__ == "__main__":
    main()
