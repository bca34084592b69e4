"""Runs other people's clients, unmodified, against the demo and the virtual devices.

usage: run.py BINARY [SCRIPT...]

A script has CASES, the function that STARTs what they run against, and the domains of clouds that its clients have built
in: LED to loopback in place of DNS. Without a name, all of them run.
"""

import importlib
import sys

from harness import lead, run

SCRIPTS = ["go_e", "socket_of_charger", "shinemonitor", "supervision"]


def main(binary, names):
    scripts = [importlib.import_module(name) for name in names or SCRIPTS]
    lead([domain for script in scripts for domain in script.LED])
    passed = failed = 0
    for script in scripts:
        fell = run(script.CASES, script.START, binary)
        failed += fell
        passed += len(script.CASES) - fell
    print(f"# pass {passed}\n# fail {failed}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
