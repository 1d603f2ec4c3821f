"""`python -m nstd`."""

from nstd.cli import main

if __name__ == "__main__":
    main()
