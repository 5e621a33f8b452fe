"""One seed of what gradhook is known to say; ``golden.py compare`` makes the other two."""

import importlib.util
import sys
from pathlib import Path

_path = Path(__file__).with_name("golden.py")
_spec = importlib.util.spec_from_file_location("golden", _path)
golden = importlib.util.module_from_spec(_spec)
sys.modules["golden"] = golden
_spec.loader.exec_module(golden)


def test_verdicts_blocks_causes_and_places_are_as_stored():
    kept = golden.stored()
    lines = {answer["name"]: golden.line(answer) for answer in golden.answers([0])}
    assert len(lines) > 300
    changed = golden.changes({name: kept[name] for name in lines if name in kept}, lines)
    assert not changed, "\n".join(changed)


def test_a_changed_verdict_is_found():
    kept = {"case": "case\tPASS\tW:PASS\t\t"}
    assert golden.changes(kept, {"case": "case\tFAIL\tW:PASS\t\t"}) == [
        "case: verdict: PASS -> FAIL"
    ]
