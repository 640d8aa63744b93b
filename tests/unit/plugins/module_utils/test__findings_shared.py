# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight finds about the shared path: every way in which it is not one file system has its own message."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.findings_case import MOUNT, ROOT_MOUNT, Case, finding

OR_ANOTHER = "; or name another one: --shared-data-path /path (variable shared_data_path)"
PLAIN = {"is_mount": False, "mount": ROOT_MOUNT}
UNSEEN = {"seen": False, "matches": False, "error": None}


def plain_everywhere() -> Case:
    """Return a launch on which the path is a plain local folder on each host."""
    case = Case()
    for number in (1, 2, 3):
        case.spoil(number, "shared", **PLAIN)
    for number in (2, 3):
        case.spoil_confirmed(number, "nonce", **UNSEEN)
    return case


def not_written(error: str | None = "Permission denied") -> Case:
    """Return a launch whose rank 0 could not write the nonce."""
    case = Case().spoil(1, "shared", nonce_written=False, nonce_path=None, error=error)
    for number in (1, 2, 3):
        case.spoil_confirmed(number, "nonce", **UNSEEN)
    return case


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(
            Case().spoil(2, "shared", exists=False, is_dir=False, is_mount=False, mount=None, free_bytes=0),
            finding(
                "shared_path",
                "error",
                "node2",
                message="/nfs/data does not exist.",
                seen="missing",
                expected="a mounted folder",
                fix="sudo mkdir -p /nfs/data && sudo mount -t nfs4 srv:/data /nfs/data" + OR_ANOTHER,
            ),
            id="missing",
        ),
        pytest.param(
            Case()
            .spoil(2, "shared", exists=False, is_dir=False, is_mount=False, mount=None, free_bytes=0)
            .spoil(2, "shared", error="Permission denied"),
            finding(
                "shared_path",
                "error",
                "node2",
                message="/nfs/data cannot be looked at: Permission denied.",
                seen="Permission denied",
                expected="a mounted folder",
                fix="Let u into all folders above it: namei -l /nfs/data",
            ),
            id="not-allowed",
        ),
        pytest.param(
            Case().spoil(2, "shared", is_dir=False),
            finding(
                "shared_path",
                "error",
                "node2",
                message="/nfs/data is no folder.",
                seen="a file",
                expected="a mounted folder",
                fix="Name the folder of the shared data: --shared-data-path /path (variable shared_data_path)",
            ),
            id="a-file",
        ),
        pytest.param(
            Case()
            .spoil(2, failed={"shared": "does not answer within 6 s"})
            .spoil(2, "shared", exists=False, mount=None),
            finding(
                "shared_path",
                "error",
                "node2",
                message="/nfs/data does not answer within 6 s: its file server may be gone.",
                seen="does not answer within 6 s",
                expected="an answer",
                fix="When the server is back: sudo umount -f -l /nfs/data && sudo mount /nfs/data",
            ),
            id="hung",
        ),
        pytest.param(
            Case().spoil(2, "shared", **PLAIN).spoil_confirmed(2, "nonce", **UNSEEN),
            finding(
                "shared_path",
                "error",
                "node2",
                message="/nfs/data is not mounted here, while on node1 it is srv:/data (nfs4).",
                seen="a plain folder, not a mount",
                expected="srv:/data (nfs4), mounted",
                fix="sudo mount -t nfs4 srv:/data /nfs/data" + OR_ANOTHER,
            ),
            id="not-mounted-on-one",
        ),
        pytest.param(
            Case().spoil(2, "shared", mount={**MOUNT, "read_only": True}, writable=False),
            finding(
                "shared_path",
                "error",
                "node2",
                message="/nfs/data is mounted read-only, so madengine cannot mirror data into it.",
                seen="read-only",
                expected="read and write",
                fix="sudo mount -o remount,rw /nfs/data; if all data is there already: --skip-check shared_path",
            ),
            id="read-only",
        ),
        pytest.param(
            Case().spoil(2, "shared", writable=False),
            finding(
                "shared_path",
                "warning",
                "node2",
                message="u may not write into /nfs/data; only data that is there already can be used.",
                seen="not writable",
                expected="writable",
                fix="Let u write there (sudo chgrp GROUP /nfs/data && sudo chmod g+ws /nfs/data).",
            ),
            id="not-writable",
        ),
        pytest.param(
            Case().spoil(2, "shared", mount={**MOUNT, "source": "srv:/other"}).spoil_confirmed(2, "nonce", **UNSEEN),
            finding(
                "shared_same",
                "error",
                "node2",
                message="/nfs/data is another file system than on node1: a file written there is not seen here.",
                seen="srv:/other (nfs4)",
                expected="srv:/data (nfs4)",
                fix="Mount the one of node1 (srv:/data (nfs4)): sudo mount -t nfs4 srv:/data /nfs/data" + OR_ANOTHER,
            ),
            id="another-file-system",
        ),
        pytest.param(
            Case().spoil_confirmed(2, "nonce", seen=False, matches=False, error="Permission denied"),
            finding(
                "shared_same",
                "error",
                "node2",
                message="The file that node1 wrote into /nfs/data cannot be read: Permission denied.",
                seen="Permission denied",
                expected="the file of node1",
                fix="Let u read there; see the rights (or root_squash of the export): namei -l /nfs/data",
            ),
            id="unreadable",
        ),
        pytest.param(
            Case().spoil(1, "shared", **PLAIN),
            finding(
                "shared_path",
                "note",
                "node1",
                message="/nfs/data is no mount of its own, but all hosts that read it see the same file there.",
                seen="a plain folder, not a mount",
                expected="a mount",
                fix="Nothing to do if this is meant.",
            ),
            id="exported-by-rank-0",
        ),
    ],
)
def test_evaluate_when_the_shared_path_is_wrong_on_one_host_then_its_own_message(
    case: Case, expected: dict[str, Any]
) -> None:
    """Missing, hung, not mounted, read-only and another file system are not the same mistake."""
    assert case.findings() == [expected]


def test_evaluate_when_the_path_is_a_plain_folder_everywhere_then_each_host_is_told() -> None:
    """Madengine would take it, and every host would fetch a copy of its own."""
    message = "/nfs/data is a plain local folder on each host: every host would fetch its own copy of the data."
    fix = "sudo mount -t nfs4 SERVER:/EXPORT /nfs/data" + OR_ANOTHER
    assert plain_everywhere().findings() == [
        finding(
            "shared_path",
            "error",
            f"node{number}",
            message=message,
            seen="a plain folder, not a mount",
            expected="the same mounted file system on all hosts",
            fix=fix,
        )
        for number in (1, 2, 3)
    ]


def test_evaluate_when_only_rank_0_has_no_mount_then_it_is_the_one_to_blame() -> None:
    """The others have their data mounted; what rank 0 wrote into its plain folder is seen by none of them."""
    case = Case().spoil(1, "shared", **PLAIN)
    for number in (2, 3):
        case.spoil_confirmed(number, "nonce", **UNSEEN)
    found = case.findings()
    assert [(one["check"], one["severity"], one["host"]) for one in found] == [("shared_path", "error", "node1")]
    assert found[0]["message"] == "/nfs/data is not mounted here, while on node2 it is srv:/data (nfs4)."


def test_evaluate_when_plain_folders_are_proven_to_be_one_then_it_is_only_noted() -> None:
    """Ranks on one machine, or hosts that boot from one root file system, do share the folder."""
    case = Case()
    for number in (1, 2, 3):
        case.spoil(number, "shared", **PLAIN)
    assert [(severity, host) for _check, severity, host, _message in case.brief()] == [
        ("note", "node1"),
        ("note", "node2"),
        ("note", "node3"),
    ]


def test_evaluate_when_there_is_one_host_then_a_plain_folder_will_do() -> None:
    """Nothing has to be shared with anybody; but what is missing or read-only is still wrong."""
    assert Case(1).spoil(1, "shared", **PLAIN, nonce_written=False).findings() == []


def test_evaluate_when_there_is_no_shared_path_then_nothing_is_judged() -> None:
    """'' means that the models need no data."""
    assert plain_everywhere().set(shared_data_path="").findings() == []


LOCAL = {**MOUNT, "source": "/dev/sdb1", "fstype": "xfs"}


@pytest.mark.parametrize(
    ("mount", "fsid", "expected"),
    [
        (MOUNT, None, ("warning", "which could not write a file to prove it (Permission denied).")),
        ({**MOUNT, "source": "other:/data"}, None, ("error", "does not look the same as on node1")),
        ({**MOUNT, "root": "/sub"}, None, ("error", "does not look the same as on node1")),
    ],
    ids=["same-source", "other-source", "other-folder"],
)
def test_evaluate_when_rank_0_cannot_write_then_the_mounts_are_compared(
    mount: dict[str, Any], fsid: str | None, expected: tuple[str, str]
) -> None:
    """A weaker proof, and it says so."""
    found = not_written().spoil(2, "shared", mount=mount, fsid=fsid).brief()
    third = ("shared_same", "warning", "node3")
    assert [one[:3] for one in found] == [("shared_same", expected[0], "node2"), third]
    assert expected[1] in found[0][3]


@pytest.mark.parametrize(("fsid", "severity"), [("a1", "warning"), ("b2", "error"), (None, "error")])
def test_evaluate_when_local_disks_are_compared_then_their_ids_decide(fsid: str | None, severity: str) -> None:
    """Every host may call its own disk /dev/sdb1."""
    case = not_written().spoil(1, "shared", mount=LOCAL, fsid="a1").spoil(2, "shared", mount=LOCAL, fsid=fsid)
    found = [one[:3] for one in case.spoil(3, "shared", mount=LOCAL, fsid="a1").brief()]
    assert found == [("shared_same", severity, "node2"), ("shared_same", "warning", "node3")]


def test_evaluate_when_all_mounts_are_read_only_and_skipped_then_the_weak_proof_remains() -> None:
    """Who knows that all data is there can go on; that it is the same data is then shown by source."""
    case = not_written("Read-only file system").set(skip_checks=["shared_path"])
    for number in (1, 2, 3):
        case.spoil(number, "shared", mount={**MOUNT, "read_only": True}, writable=False)
    assert [one[:3] for one in case.brief()] == []
    case.set(skip_checks=[])
    assert {(one[0], one[1]) for one in case.brief()} == {("shared_path", "error")}


def test_evaluate_when_the_path_is_the_root_then_nothing_is_to_be_mounted_over_it() -> None:
    """It is a mount on every host, and of each its own."""
    case = Case().set(shared_data_path="/")
    for number in (1, 2, 3):
        case.spoil(number, "shared", path="/", real_path="/", mount=dict(ROOT_MOUNT), writable=False)
        case.spoil_confirmed(number, "nonce", **UNSEEN)
    case.spoil(1, "shared", nonce_written=False, nonce_path=None, error="Permission denied")
    text = {
        "message": "/ is the file system of each host itself, and no shared one.",
        "seen": "/",
        "expected": "a folder that is the same on all hosts",
        "fix": "Name the folder of the shared data: --shared-data-path /path (variable shared_data_path)",
    }
    assert case.findings() == [finding("shared_path", "error", f"node{number}", **text) for number in (1, 2, 3)]


def test_evaluate_when_hosts_share_their_root_then_it_may_be_the_shared_path() -> None:
    """Hosts without disks have it from a server, and the file of rank 0 proves it."""
    case = Case().set(shared_data_path="/")
    for number in (1, 2, 3):
        case.spoil(number, "shared", path="/", real_path="/", mount={**MOUNT, "point": "/"})
    assert case.findings() == []


def test_evaluate_when_a_server_has_the_root_of_another_host_then_it_is_not_mounted_over_anything() -> None:
    """What is proposed for a missing folder is the mount of a folder."""
    case = Case(2).spoil(1, "shared", mount={**MOUNT, "point": "/"})
    (found,) = case.spoil(2, "shared", exists=False, is_dir=False, is_mount=False, mount=None).findings()
    assert found["fix"] == "sudo mkdir -p /nfs/data && sudo mount -t nfs4 SERVER:/EXPORT /nfs/data" + OR_ANOTHER
