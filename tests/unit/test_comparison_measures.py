"""What is measured of orders, and how it is put together."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from comparison.faults import Struck
from comparison.measures import latency_of, per_second, percentile, recovery_seconds, used_between
from comparison.results import results_of
from comparison.runner import turns
from comparison.stack import Reading
from comparison.stack_meter import commits
from comparison.trials import SHORT, TRIALS, Kind
from domain.order import SagaStyle
from tests.support.comparisons import CONFIRMED, UNDONE, after, block, both_ways, comparison_of, ending, usage

ORCHESTRATED, CHOREOGRAPHED = SagaStyle


def reading(**changes: object) -> Reading:
    fields = {
        "at": 10.0,
        "pids": {"kafka": 1, "temporal": 2, "api": 3},
        "cpu": {"kafka": 5.0, "temporal": 6.0, "api": 7.0},
        "commits": {"orders": 10, "temporal": 20},
        "records": {"orders": 30},
    }
    return Reading(**fields | changes)  # type: ignore[arg-type]


def test_an_order_is_inconsistent_from_its_first_effect_to_its_last_undo() -> None:
    undone = ending(*CONFIRMED[:4], *UNDONE, status="cancelled")

    assert undone.inconsistent_seconds == pytest.approx(0.4)  # payment.completed at 0.2, payment.refunded at 0.6


def test_a_confirmed_order_is_inconsistent_until_it_is_confirmed() -> None:
    assert ending().inconsistent_seconds == pytest.approx(0.3)


def test_an_order_without_an_effect_was_never_inconsistent() -> None:
    declined = ending("order.requested", "order.created", "payment.failed", "order.cancelled", status="cancelled")

    assert declined.inconsistent_seconds == 0


def test_one_history_tells_the_whole_story_and_event_logs_only_together() -> None:
    assert ending(history_events=37).systems == 1
    assert ending().systems == 4
    assert ending("order.requested", "payment.failed").systems == 2


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (95, 2.9), (99, 2.98)])
def test_percentiles_interpolate_between_ranks(percent: int, value: float) -> None:
    assert percentile([3.0, 1.0, 2.0], percent) == pytest.approx(value)


def test_a_percentile_that_would_only_be_the_slowest_order_is_left_out() -> None:
    few, some, many = (latency_of([[float(number) for number in range(count)]]) for count in (19, 20, 100))

    assert few is not None
    assert some is not None
    assert many is not None
    assert (few.p95, few.p99, few.longest) == (None, None, 18.0)
    assert some.p95 == pytest.approx(18.05)
    assert some.p99 is None
    assert many.p99 == pytest.approx(98.01)


def test_the_medians_of_the_blocks_are_the_spread() -> None:
    latency = latency_of([[1.0, 2.0, 3.0], [5.0], []])

    assert latency is not None
    assert latency.medians == (2.0, 5.0)


def test_a_rate_runs_from_the_first_placed_to_the_last_finished() -> None:
    endings = [ending(placed_s=0.0, seconds=0.5), ending(placed_s=1.0, seconds=1.0)]

    assert per_second(endings) == pytest.approx(1.0)
    assert per_second(endings[:1]) is None
    assert per_second([*endings, ending(seconds=None)]) is None


def test_recovery_runs_from_the_end_of_the_fault_to_the_last_finished() -> None:
    endings = [ending(seconds=3.0), ending(seconds=7.0)]

    assert recovery_seconds(endings, after(2.0)) == pytest.approx(5.0)
    assert recovery_seconds(endings, after(9.0)) == 0
    assert recovery_seconds([*endings, ending(seconds=None)], after(2.0)) is None


def test_what_was_used_is_the_difference_of_two_readings() -> None:
    later = reading(at=12.0, cpu={"kafka": 5.5, "temporal": 6.0, "api": 8.0}, commits={"orders": 17, "temporal": 21})

    used = used_between(reading(), later)

    assert used.seconds == pytest.approx(2.0)
    assert used.cpu == {"kafka": 0.5, "temporal": 0.0, "api": 1.0}
    assert used.commits == {"orders": 7, "temporal": 1}
    assert used.records == {"orders": 0}


def test_the_counters_of_what_was_started_anew_are_left_out() -> None:
    later = reading(pids={"kafka": 8, "temporal": 9, "api": 3}, cpu={"kafka": 9.0, "temporal": 9.0, "api": 9.0})

    used = used_between(reading(), later)

    assert used.cpu == {"api": 2.0}
    assert used.commits == {"orders": 0}
    assert used.records == {}
    assert (used.service_commits, used.engine_commits, used.saga_records) == (None, None, None)


def test_a_counter_that_went_back_is_left_out() -> None:
    assert used_between(reading(), reading(commits={"orders": 9, "temporal": 20})).commits == {"temporal": 0}


def test_blocks_of_a_style_become_one_row_with_means_an_order() -> None:
    (result,) = results_of(both_ways("ok", ending(), ending(seconds=0.7)), ["ok"])

    row = result.rows[CHOREOGRAPHED]

    assert result.blocks == (ORCHESTRATED, CHOREOGRAPHED, CHOREOGRAPHED, ORCHESTRATED)
    assert (row.orders, row.service_commits, row.records, row.engine_commits) == (4, 14.0, 6.0, 30.0)
    assert row.cpu["api"] == pytest.approx(0.2)
    assert row.own_cpu == pytest.approx(7 * 0.2)
    assert result.rows[ORCHESTRATED].own_cpu == pytest.approx(4 * 0.2)


def test_a_row_with_a_block_whose_counters_are_lost_claims_nothing() -> None:
    lost = usage()
    lost.cpu.pop("kafka")  # type: ignore[attr-defined]
    blocks = [block(TRIALS["ok"], style, [ending()], used=used) for style in SagaStyle for used in (usage(), lost)]

    (result,) = results_of(blocks, ["ok"])

    assert result.rows[CHOREOGRAPHED].own_cpu is None
    assert result.rows[ORCHESTRATED].own_cpu is not None


def test_recovery_is_told_by_block() -> None:
    trial, struck = TRIALS["killed_charging"], Struck(began=after(1.0), ended=after(1.0))
    four = [ending(seconds=4.0)] * 4
    blocks = [block(trial, style, four, struck=fault) for style in SagaStyle for fault in (struck, None)]

    (result,) = results_of(blocks, [trial.name])

    assert result.rows[ORCHESTRATED].recovery == (3.0, None)


def test_a_wrong_outcome_is_unexpected() -> None:
    comparison = comparison_of(both_ways("ok", ending(), ending(status="cancelled", reason="out_of_stock")))

    assert not comparison.ok
    assert [(trial.name, row.style) for trial, row in comparison.unexpected] == [("ok", style) for style in SagaStyle]


def test_an_order_that_was_never_placed_is_missed() -> None:
    trial = TRIALS["load_16"]
    blocks = [block(trial, style, [ending()] * 15) for style in SagaStyle]

    assert not comparison_of(blocks).ok


def test_a_broken_invariant_is_not_ok() -> None:
    broken = {"ok": False, "orders_checked": 1, "orders_pending": 0, "broken": []}

    assert comparison_of(both_ways("ok", ending())).ok
    assert not comparison_of(both_ways("ok", ending()), audit=broken).ok


def test_where_stock_is_scarce_the_numbers_are_expected_and_not_which_orders() -> None:
    trial = TRIALS["scarce"]

    assert trial.expected(24) == Counter({("confirmed", None): 10, ("cancelled", "out_of_stock"): 14})
    assert trial.expected(10) == Counter({("confirmed", None): 10})


def test_styles_alternate_and_the_seed_decides_the_order() -> None:
    trials = list(TRIALS.values())

    planned = turns(trials, orders=5, seed=3)

    assert planned == turns(trials, orders=5, seed=3)
    assert planned != turns(trials, orders=5, seed=4)
    for first in range(0, len(planned), 4):
        a, b, c, d = planned[first : first + 4]
        assert a.trial is b.trial is c.trial is d.trial
        assert a.style is d.style is not b.style is c.style
    assert {turn.orders for turn in planned if turn.trial.name == "ok"} == {3}
    kinds = [turn.trial.kind for turn in planned]
    assert kinds.index(Kind.FAULT) > max(number for number, kind in enumerate(kinds) if kind is Kind.BUSINESS)


def test_in_brief_only_what_breaks_is_played_once_in_each_style() -> None:
    planned = turns([TRIALS["ok"], TRIALS["killed_charging"]], orders=2, seed=1, brief=True)

    assert [turn.trial.name for turn in planned] == ["ok"] * 4 + ["killed_charging"] * 2
    assert {turn.style for turn in planned[4:]} == set(SagaStyle)


def test_the_short_set_is_of_known_trials() -> None:
    assert set(SHORT) < set(TRIALS)


def test_commits_that_write_are_counted_whoever_makes_them(tmp_path: Path) -> None:
    file = tmp_path / "books.db"
    assert commits(file) is None
    with closing(sqlite3.connect(file, isolation_level=None)) as one, closing(sqlite3.connect(file)) as other:
        one.execute("PRAGMA journal_mode=WAL")
        one.execute("PRAGMA synchronous=OFF")
        one.execute("CREATE TABLE pages (number INTEGER)")
        before = commits(file)
        assert before is not None

        for number in range(2_000):  # the log is written back to the database on the way
            one.execute("INSERT INTO pages VALUES (?)", (number,))
        other.executemany("INSERT INTO pages VALUES (?)", [(number,) for number in range(50)])
        other.commit()
        one.execute("SELECT count(*) FROM pages").fetchall()

        assert commits(file) == before + 2_001
