"""`python -m cloister`: hand over to the command line."""

import sys


def main() -> None:
    """Print the version without loading the command line, or run the command asked for."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # Asked by scripts and doctors in a loop: worth not importing a parser for.
        from cloister import __version__

        sys.stdout.write(f"cloister {__version__}\n")
        return
    try:
        from cloister.cli.main import main as run
    except ModuleNotFoundError as error:
        # Only the words, no traceback: whoever sees this has nothing to debug.
        sys.stderr.write(
            f"cloister: the environment is broken, it has no {error.name}\n"
            "    remove the folder .venv of the checkout and start again\n"
        )
        sys.exit(1)
    run()


if __name__ == "__main__":
    main()
