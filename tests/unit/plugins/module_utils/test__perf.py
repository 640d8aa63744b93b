# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and merging perf.csv of madengine v1 and v2."""

from __future__ import annotations

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _perf
from ansible_collections.madlaunch.multinode.plugins.module_utils._outcome import Performance

V1 = 'model, n_gpus, performance, metric, status\nllama, -1, "12.5", tokens/s, SUCCESS\n'
V2 = (
    "model,n_gpus,nnodes,gpus_per_node,performance,metric,status,launcher\n"
    'llama,8,1,8,"13.5",tokens/s,SUCCESS,torchrun\n'
)


def test_merge_puts_rank_and_host_first_and_has_the_columns_of_all() -> None:
    """Headers of v1 (a space behind each comma) and of v2 give one table, in the order of the ranks."""
    ranks = [_perf.RankResults(1, "b,1", V2), _perf.RankResults(0, "a", V1), _perf.RankResults(2, "c", None)]
    assert _perf.merge(ranks, 2) == (
        "node_rank,host,model,n_gpus,performance,metric,status,nnodes,gpus_per_node,launcher\n"
        "0,a,llama,-1,12.5,tokens/s,SUCCESS,,,\n"
        '1,"b,1",llama,16,13.5,tokens/s,SUCCESS,2,8,torchrun\n'
    )


@pytest.mark.parametrize("text", [None, "", "model, status\n"], ids=["none", "empty", "header"])
def test_merge_has_only_a_header_when_no_rank_has_rows(text: str | None) -> None:
    """An empty table is still a table."""
    assert _perf.merge([_perf.RankResults(0, "a", text)], 2) == "node_rank,host\n"


def test_merge_keeps_line_breaks_and_quotes_of_a_value() -> None:
    """v1 writes several numbers into one field when the log has several."""
    text = 'model,performance\nm,"1.0\n2.0 ""x"""\n'
    merged = _perf.merge([_perf.RankResults(0, "a", text)], 1)
    assert merged == 'node_rank,host,model,performance\n0,a,m,"1.0\n2.0 ""x"""\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (V1, [Performance("llama", "12.5", "tokens/s")]),
        ("model,performance,metric,status\nm,1,u,FAILURE\n", []),
        ("model,performance,metric,status\nm,,u,SUCCESS\n", []),
        ("model,performance,metric,status\nm,nan,u,SUCCESS\n", []),
        ("model,performance,metric,status\nm,perf_m.csv,u,SUCCESS\n", []),
        (
            'model,performance,metric,status\nm,"1.0\n2.0","u\ntokens per s",success\n',
            [Performance("m", "2.0", "tokens per s")],
        ),
        ("model,performance\nm,3\n", []),
        ("model,status,performance\nm,SUCCESS\n\nn,SUCCESS,4,extra\n\0", [Performance("n", "4", "")]),
    ],
    ids=["v1", "failure", "empty", "nan", "file-name", "several", "no-status", "ragged"],
)
def test_performance_of_takes_numbers_of_rows_that_succeeded(text: str, expected: list[Performance]) -> None:
    """A number in a row that failed, or a row that succeeded without a number, is no performance."""
    assert _perf.performance_of(_perf.read_rows(text)) == expected


def test_summary_counts_the_rows_of_each_rank_and_names_every_value() -> None:
    """Which rank reported is seen at a glance."""
    ranks = [_perf.RankResults(1, "b", "model,status\nllama,FAILURE\n"), _perf.RankResults(0, "a", V1)]
    assert _perf.summary(ranks) == {
        "schema": 1,
        "rows": 2,
        "ranks": [
            {"node_rank": 0, "host": "a", "rows": 1, "succeeded": 1},
            {"node_rank": 1, "host": "b", "rows": 1, "succeeded": 0},
        ],
        "performance": [
            {"node_rank": 0, "host": "a", "model": "llama", "performance": "12.5", "metric": "tokens/s"},
        ],
    }
