# SPDX-License-Identifier: GPL-3.0-or-later
"""Words to nodes: lists, ranges, host files, Slurm."""

from __future__ import annotations

import pytest

from madlaunch.hostlist import Node, check_unique, parse_nodes, put_master_first
from madlaunch.hostlist_file import parse_hostfile
from madlaunch.slurm import allocated_nodes
from tests.launcher.settling import HOSTILE

LISTS = {
    "two": ("a,b", [("a", "", None), ("b", "", None)]),
    "addresses": ("192.0.2.2,192.0.2.1", [("192.0.2.2", "", None), ("192.0.2.1", "", None)]),
    "spaces": (" a , b ", [("a", "", None), ("b", "", None)]),
    "login-and-port": ("u@h:2222", [("h", "u", 2222)]),
    "padded-range": ("n[08-10]", [("n08", "", None), ("n09", "", None), ("n10", "", None)]),
    "order-within-range": ("n[5,1,3]", [("n5", "", None), ("n1", "", None), ("n3", "", None)]),
    "step": ("n[0-4/2]", [("n0", "", None), ("n2", "", None), ("n4", "", None)]),
    "two-ranges": ("r[1-2]n[8,7]", [(name, "", None) for name in ("r1n8", "r1n7", "r2n8", "r2n7")]),
    "range-with-all": ("u@n[1-2]:22", [("n1", "u", 22), ("n2", "u", 22)]),
    "ipv6": ("[2001:db8::1]", [("2001:db8::1", "", None)]),
    "ipv6-with-all": ("u@[2001:db8::1]:2222", [("2001:db8::1", "u", 2222)]),
    "ipv6-zone": ("[fe80::1%eth0]", [("fe80::1%eth0", "", None)]),
    "mixed": ("b[2-3],[::1],a", [("b2", "", None), ("b3", "", None), ("::1", "", None), ("a", "", None)]),
    "domain-login": ("corp\\u@a,u@realm@b", [("a", "corp\\u", None), ("b", "u@realm", None)]),
}


@pytest.mark.parametrize(("text", "expected"), LISTS.values(), ids=LISTS)
def test_node_list_when_good_then_keeps_the_given_order(text: str, expected: list[tuple[str, str, int | None]]) -> None:
    """Entries and ranges expand where they stand; the order of the nodes is the order of the ranks."""
    assert [(node.host, node.user, node.port) for node in parse_nodes(text)] == expected


BAD_LISTS = {
    "empty": ("", "the list of nodes is empty"),
    "blank": (" ", "the list of nodes is empty"),
    "gap": ("a,,b", "entry 2 is empty"),
    "backwards": ("n[3-1]", "entry 1: '3-1' in 'n[3-1]' runs backwards"),
    "no-range": ("n[]", "entry 1: a range of 'n[]' is empty"),
    "words-in-range": ("n[a-b]", "entry 1: 'a-b' in 'n[a-b]' is not a range"),
    "step-zero": ("n[1-3/0]", "entry 1: '1-3/0' in 'n[1-3/0]' has a step of 0"),
    "open-bracket": ("n[1-2", "entry 1: the brackets of 'n[1-2' do not match"),
    "huge": ("n[1-999999999]", "entry 1: 'n[1-999999999]' stands for more than 4096 hosts"),
    "huge-product": ("n[1-64][1-65]", "entry 1: 'n[1-64][1-65]' stands for more than 4096 hosts"),
    "huge-together": ("a[1-4000],b[1-97]", "more than 4096 hosts are named"),
    "bare-ipv6": ("::1", "entry 1: '::1' looks like an IPv6 address: write it in brackets, [::1]"),
    "ipv6-not-closed": ("[::1", "entry 1: '[::1' looks like an IPv6 address: write it in brackets, [::1]"),
    "ipv6-not-opened": ("::1]", "entry 1: '::1]' looks like an IPv6 address: write it in brackets, [::1]"),
    "url": ("http://a", "entry 1: 'http://a' looks like a URL: write host, user@host or host:port"),
    "url-with-login": (
        "ssh://u@a:22",
        "entry 1: 'ssh://u@a:22' looks like a URL: write host, user@host or host:port",
    ),
    "bad-ipv6": ("[::g]", "entry 1: '::g' is not an IPv6 address"),
    "bad-ipv4": ("192.0.2.300", "entry 1: '192.0.2.300' is not an IPv4 address"),
    "port-zero": ("a:0", "entry 1: '0' is not a port"),
    "port-high": ("a:65536", "entry 1: '65536' is not a port"),
    "no-port": ("a:", "entry 1: the port is empty"),
    "no-login": ("a,@b", "entry 2: the login is empty"),
    "option-login": ("-l@a", "entry 1: '-l' is not a login"),
    "long": ("a" * 254, "entry 1: a host of 254 characters is longer than 253"),
}


@pytest.mark.parametrize(("text", "reason"), BAD_LISTS.values(), ids=BAD_LISTS)
def test_node_list_when_bad_then_says_why(text: str, reason: str) -> None:
    """Every refusal names the entry and the reason."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_nodes(text)
    assert str(caught.value) == reason


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("form", ["{}", "{}@a", "a:{}"], ids=["host", "login", "port"])
def test_node_list_when_hostile_then_refused(form: str, text: str) -> None:
    """No sign that a shell, ssh or Ansible reads gets into a host, a login or a port."""
    with pytest.raises(ValueError, match=r"entry 1|list of nodes is empty"):
        parse_nodes(form.format(text))


@pytest.mark.parametrize(
    ("text", "port", "reason"),
    [
        ("a,b,A", None, "host 'A' is named twice: entry 1 and entry 3"),
        ("a,a:22", None, "host 'a' is named twice: entry 1 and entry 2"),
        ("a,a:2222", 2222, "host 'a' is named twice: entry 1 and entry 2"),
        ("n[1-3],n2", None, "host 'n2' is named twice: entry 1 and entry 2"),
        ("u@a,v@a", None, "host 'a' is named twice: entry 1 and entry 2"),
    ],
    ids=["case", "default-port", "given-port", "range", "logins"],
)
def test_nodes_when_one_is_named_twice_then_both_places_are_told(text: str, port: int | None, reason: str) -> None:
    """The same host on the same port is one node."""
    with pytest.raises(ValueError, match="named twice") as caught:
        check_unique(parse_nodes(text), port)
    assert str(caught.value) == reason


def test_nodes_when_ports_differ_then_they_are_two_nodes() -> None:
    """Two sshd on one host are two nodes."""
    check_unique(parse_nodes("a:22,a:23"), None)


@pytest.mark.parametrize(
    ("master", "expected"),
    [
        ("b", ["b", "a", "c"]),
        ("B", ["b", "a", "c"]),
        ("a", ["a", "b", "c"]),
        ("x", ["a", "b", "c"]),
        ("", ["a", "b", "c"]),
    ],
    ids=["second", "case", "first", "other-address", "none"],
)
def test_nodes_when_one_is_the_master_then_it_comes_first(master: str, expected: list[str]) -> None:
    """Rank 0 owns the master address; the others keep their order."""
    assert [node.host for node in put_master_first(parse_nodes("a,b,c"), master)] == expected


def test_hostfile_when_of_deepspeed_and_mpi_then_gives_nodes_and_knows_of_slots() -> None:
    """Comments, blank lines, slots, ports, ranges and logins are understood."""
    text = "# nodes\nworker-1 slots=8\r\n\nu@worker-2 slots=8 max_slots=8 port=2222 # two\n[2001:db8::1]\nn[1-2]\n"
    hostfile = parse_hostfile(text)
    assert hostfile.nodes == (
        Node("worker-1", place="line 2"),
        Node("worker-2", "u", 2222, "line 4"),
        Node("2001:db8::1", place="line 5"),
        Node("n1", place="line 6"),
        Node("n2", place="line 6"),
    )
    assert hostfile.has_slots
    assert not parse_hostfile("a").has_slots


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# none\n", "no host is named"),
        ("a\nb:8", "line 2: 'b:8' may mean a port or a number of slots; write 'port=N' or 'slots=N' behind the host"),
        (
            "[::1]:22",
            "line 1: '[::1]:22' may mean a port or a number of slots; write 'port=N' or 'slots=N' behind the host",
        ),
        ("a gpus=8", "line 1: 'gpus=8' is not known behind a host"),
        ("a slots=many", "line 1: 'slots=many' is not known behind a host"),
        ("a port=0", "line 1: '0' is not a port"),
        ("a;id", "line 1: 'a;id' is not a host name"),
    ],
    ids=["empty", "colon", "ipv6-colon", "option", "slots", "port", "host"],
)
def test_hostfile_when_bad_then_names_the_line(text: str, reason: str) -> None:
    """Every refusal names the line and the reason."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_hostfile(text)
    assert str(caught.value) == reason


def test_slurm_when_in_an_allocation_then_its_nodes_are_used() -> None:
    """Slurm's own spelling of ranges is understood; outside an allocation there are none."""
    nodes = allocated_nodes({"SLURM_JOB_NODELIST": "gpu-[01-02,10],login1"})
    assert [node.host for node in nodes] == ["gpu-01", "gpu-02", "gpu-10", "login1"]
    assert [node.host for node in allocated_nodes({"SLURM_NODELIST": "a"})] == ["a"]
    assert allocated_nodes({}) == ()
