"""What the scripts here share: they wait, run their cases against a program of ours, and say what passed."""

import sys
import tempfile
import time
import traceback


def until(holds, seconds=60):
    """Waits until something holds; says so if it never does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "not within %d s" % seconds
        time.sleep(0.2)


def run(cases, start):
    """Runs each case with what `start(binary, folder)` answers beside its process; ends with 1 if one failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        process, told = start(sys.argv[1], folder)
        try:
            for case in cases:
                try:
                    case(told)
                    print("ok", case.__name__)
                except Exception:
                    failed += 1
                    print("FAILED", case.__name__)
                    traceback.print_exc(file=sys.stdout)
        finally:
            process.terminate()
            process.wait()
    print(f"# pass {len(cases) - failed}\n# fail {failed}")
    sys.exit(failed > 0)
