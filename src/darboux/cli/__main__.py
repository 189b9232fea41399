"""``python -m darboux.cli``, for launchers such as torchrun."""

from darboux.cli import main

if __name__ == "__main__":
    main()
