# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that name nodes, read by the collection; the names are held against what ClusterShell makes of them."""

from __future__ import annotations

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _nodelist
from ansible_collections.madlaunch.multinode.plugins.module_utils._nodelist import Node, NodeListError
from ClusterShell.NodeSet import NodeSet

# Only ascending ranges: there ClusterShell, which sorts, and the order as written are the same.
PATTERNS = [
    "node7",
    "node[1-3]",
    "node[01-16]",
    "node[08-11]",
    "node[001-003,010-012]",
    "node[0-8/2]",
    "node[1-10/4]",
    "node[9-11]-ib0",
    "rack[1-2]node[01-04]",
    "r[1-2]c[0-1]n[8-10]x",
    "192.0.2.[9-11]",
    "gpu-[0].example.org",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_expand_when_ranges_ascend_then_names_are_those_of_clustershell(pattern: str) -> None:
    """One pattern has the same names in the same order here and in ClusterShell."""
    assert _nodelist.expand(pattern) == list(NodeSet(pattern))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("pattern", ["node[3-1]", "node[01-3]", "node[9-010]", "node[1-]", "node[]", "node[1-2/0]"])
def test_expand_when_a_range_is_bad_then_both_refuse_it(pattern: str) -> None:
    """What ClusterShell refuses is refused here, with the pattern in the reason."""
    with pytest.raises(Exception, match="range"):
        NodeSet(pattern)  # type: ignore[no-untyped-call]
    with pytest.raises(NodeListError, match=r"has the range"):
        _nodelist.expand(pattern)


def test_expand_when_written_out_of_order_then_keeps_the_order() -> None:
    """The order of writing is the order of the ranks: nothing is sorted."""
    assert _nodelist.expand("node[10,2,4-5]") == ["node10", "node2", "node4", "node5"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("b,a", [Node("b"), Node("a")], id="names"),
        pytest.param(" a , b ", [Node("a"), Node("b")], id="spaces"),
        pytest.param(
            "u@n[1-2]:2222,v@m",
            [Node("n1", "u", 2222), Node("n2", "u", 2222), Node("m", "v")],
            id="login and port of a range",
        ),
        pytest.param(
            "root@[2001:db8::1]:22,[fe80::1%eth0]",
            [Node("2001:db8::1", "root", 22), Node("fe80::1%eth0")],
            id="IPv6",
        ),
        pytest.param(
            "tux[1-2,7],gpu-a[01-02]",
            [Node(f"tux{n}") for n in (1, 2, 7)] + [Node("gpu-a01"), Node("gpu-a02")],
            id="Slurm",
        ),
        pytest.param("a:22,a:23", [Node("a", None, 22), Node("a", None, 23)], id="one host on two ports"),
        pytest.param("DOM\\user@a,x@y.z@b", [Node("a", "DOM\\user"), Node("b", "x@y.z")], id="domain logins"),
    ],
)
def test_parse_nodes_when_valid_then_gives_nodes_in_order(text: str, expected: list[Node]) -> None:
    """A list becomes the nodes in the order of writing, with the login and the port that stand with each."""
    assert _nodelist.parse_nodes(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "The node list is empty. Name at least one node, for example node[01-16].", id="nothing"),
        pytest.param(" ", "The node list is empty. Name at least one node, for example node[01-16].", id="spaces"),
        pytest.param("a,b,A", "Node A is named twice, in places 1 and 3. Name every node once.", id="twice"),
        pytest.param(
            "n[1-3],n2", "Node n2 is named twice, in places 2 and 4. Name every node once.", id="twice in a range"
        ),
        pytest.param(
            "a,a:22", "Node a is named twice, in places 1 and 2. Name every node once.", id="twice by port 22"
        ),
        pytest.param(
            "2001:db8::1",
            "'2001:db8::1' is no node. Write host, user@host or host:port, and an IPv6 address as [2001:db8::1].",
            id="IPv6 without brackets",
        ),
        pytest.param("http://a", "'http://a' is a URL. Write only the host, user@host or host:port.", id="URL"),
        pytest.param("a:0", "'a:0' has the port '0'. A port is a number from 1 to 65535.", id="port 0"),
        pytest.param("a:65536", "'a:65536' has the port '65536'. A port is a number from 1 to 65535.", id="port 65536"),
        pytest.param("a:", "'a:' has the port ''. A port is a number from 1 to 65535.", id="no port"),
        pytest.param(
            "-o@a",
            "'-o@a' has the login '-o'. A login has letters, digits and . _ - + @ \\ and no dash in front.",
            id="login that is an option",
        ),
        pytest.param(
            "n[1-2",
            "'n[1-2' opens a bracket that is not closed. Write ranges as node[01-16].",
            id="bracket not closed",
        ),
        pytest.param(
            "n1-2]",
            "'n1-2]' closes a bracket that is not open. Write ranges as node[01-16].",
            id="bracket not open",
        ),
        pytest.param(
            "n[1-99999]",
            "'n[1-99999]' has the range '1-99999', which stands for more than 4096 nodes.",
            id="too many in a range",
        ),
        pytest.param(
            "r[1-100]n[1-100]",
            "'r[1-100]n[1-100]' stands for more than 4096 nodes. Check the ranges in it.",
            id="too many in two ranges",
        ),
        pytest.param(
            "a[1-4000],b[1-4000]", "The list names more than 4096 nodes. Check the ranges in it.", id="too many"
        ),
        pytest.param(
            "192.0.2.300",
            "'192.0.2.300' has no valid address: Octet 300 (> 255) not permitted in '192.0.2.300'. "
            "Correct it, or write a host name.",
            id="IPv4 out of range",
        ),
    ],
)
def test_parse_nodes_when_invalid_then_says_why_and_what_to_write(text: str, reason: str) -> None:
    """A refusal names the word, the reason and the allowed form."""
    with pytest.raises(NodeListError) as caught:
        _nodelist.parse_nodes(text)
    assert str(caught.value) == reason


@pytest.mark.parametrize("text", ["-a", "a;b", "a b", "a'b", 'a"b', "$(a)", "a`b`", "a\nb", "ä", "a/b", "a..b", "@all"])
def test_parse_nodes_when_hostile_then_refuses(text: str) -> None:
    """No character that means something to a shell or to ssh gets into a host name."""
    with pytest.raises(NodeListError):
        _nodelist.parse_nodes(text)


def test_parse_hostfile_when_deepspeed_and_mpi_forms_then_slots_are_ignored() -> None:
    """Lines keep their order; slots, comments and empty lines are passed over; port= is taken."""
    text = "# nodes\n\nnode2 slots=8\nu@node[01-02] slots=4 max_slots=8 # spare\nnode9 port=2222\n[2001:db8::1]\n"
    expected = [Node("node2"), Node("node01", "u"), Node("node02", "u"), Node("node9", None, 2222), Node("2001:db8::1")]
    assert _nodelist.parse_hostfile(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(
            "# none\n", "The node list is empty. Name at least one node, for example node[01-16].", id="empty"
        ),
        pytest.param(
            "a:8\n",
            "'a:8' may mean a port or a number of slots. Write port=2222 or slots=8 behind the host.",
            id="MPICH's number of processes",
        ),
        pytest.param(
            "a gpus=8\n",
            "'gpus=8' is not known behind the host 'a'. Write port=2222 or slots=8 there, or nothing.",
            id="unknown word",
        ),
        pytest.param("a\nb\na\n", "Node a is named twice, in places 1 and 3. Name every node once.", id="twice"),
    ],
)
def test_parse_hostfile_when_invalid_then_says_why(text: str, reason: str) -> None:
    """A host file that cannot be used is refused with the line's word and the allowed form."""
    with pytest.raises(NodeListError) as caught:
        _nodelist.parse_hostfile(text)
    assert str(caught.value) == reason
