"""The command line: ``python -m gradhook``."""

import sys

from gradhook._command_line import main

if __name__ == "__main__":
    sys.exit(main())
