"""The collector of cycles rests while frameworks are imported, and is as before at the end."""

from __future__ import annotations

import gc

from mlaas4hep.training.user_code.imports import importing, modules_left_alone


def test_what_was_imported_is_left_alone_until_the_end_of_the_training() -> None:
    gc.unfreeze()  # what other tests imported
    with modules_left_alone():
        with importing():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_a_collector_that_is_off_stays_off_and_what_others_froze_stays_frozen() -> None:
    gc.disable()
    gc.freeze()
    try:
        with modules_left_alone(), importing():
            pass
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()
