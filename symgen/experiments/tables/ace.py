"""Tables of ACE: all criteria, and the summary."""

from pathlib import Path

from symgen.experiments.tables._markdown import markdown, mean_and_std, measured_by, read

__all__ = ["ace", "ace_summary"]


def ace(results: Path) -> str:
    """All criteria of ACE with their verdicts."""
    record = read(results / "ace.json")
    rows = []
    for criterion in record["criteria"]:
        projected = " (projected)" if criterion["projected"] else ""
        rows.append(
            [
                f"{criterion['id']} {criterion['claim']}",
                criterion["threshold"] + projected,
                "; ".join(map(mean_and_std, criterion["limits"])),
                criterion["verdict"],
            ]
        )
    notes = "".join(
        f"* {criterion['id']}: {criterion['note']}.\n"
        for criterion in record["criteria"]
        if criterion["note"]
    )
    seeds, trained = record["seeds"], len(record["runs"])
    seconds = sum(run["seconds"] for run in record["runs"].values())
    table = markdown(["criterion", "threshold", "measured", "verdict"], rows)
    return (
        f"{table}\nMean ± standard deviation over seeds (of {seeds}), in the order of the "
        f"thresholds; {trained} runs, {seconds / 3600:.1f} h of training.\n\n{notes}"
        + measured_by(record)
    )


def ace_summary(results: Path) -> str:
    """Bounds, errors and legibility of ACE on three data sets."""
    record = read(results / "ace.json")
    values = {criterion["id"]: criterion["values"] for criterion in record["criteria"]}

    def cell(place: tuple[str, str] | None) -> str:
        if place is None or place[1] not in values[place[0]]:
            return ""
        return mean_and_std(values[place[0]][place[1]])

    rows = [
        ["cost of the class means", *(f"{record['baselines'][d]['class_mean']:.0f}" for d in _ACE)]
    ]
    rows += [
        [name, *map(cell, places)]
        for name, places in (
            ("U_valid without pose", [("E1", "U_valid"), *_both("U_valid without pose")]),
            ("**U_valid with pose, its cost included**", _with_pose("U_valid with pose")),
            ("gain, pose charged", _with_pose("gain charged, nats")),
            ("cost of the pose", _with_pose("cost of the pose, nats")),
            ("test error, %", [("E10", f"{d.upper()} error, %") for d in _ACE]),
            (
                "test error with pose less without, points",
                [
                    None,
                    *[("E10", f"{d.upper()} error less without pose, points") for d in _ACE[1:]],
                ],
            ),
            (
                "styles from -4 to 4 recognised by a judge, %",
                [None, ("E8", "RTS recognised, %"), ("E8", "TC recognised, %")],
            ),
            (
                "the same without pose, %",
                [
                    ("E1", "recognised, %"),
                    ("E2", "RTS recognised without pose, %"),
                    ("E2", "TC recognised without pose, %"),
                ],
            ),
        )
    ]
    verdicts = [criterion["verdict"] for criterion in record["criteria"]]
    counted = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    header = ["nats per test image", "MNIST", "RTS-MNIST", "TC-MNIST"]
    return (
        f"{markdown(header, rows)}\nMean ± standard deviation over {record['seeds']} seeds. All "
        f"criteria: {counted}.\n{measured_by(record)}"
    )


_ACE = ("mnist", "rts", "tc")


def _both(name: str) -> list[tuple[str, str]]:
    return [("E4", name), ("E5", name)]


def _with_pose(name: str) -> list[tuple[str, str]]:
    return [("E6", name), *_both(name)]
