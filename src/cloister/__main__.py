"""`python -m cloister`: hand over to the command line."""

import sys


def main() -> None:
    """Print the version without loading the command line, or run the command asked for."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # Asked by scripts and doctors in a loop: worth not importing a parser for.
        from cloister import __version__

        sys.stdout.write(f"cloister {__version__}\n")
        return
    from cloister.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
