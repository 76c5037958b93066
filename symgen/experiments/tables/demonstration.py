"""Tables of the demonstration, and of what its metrics say before training."""

from pathlib import Path

from symgen.experiments.tables._markdown import markdown, measured_by, read, source

__all__ = ["demo", "untrained_models"]


def demo(results: Path) -> str:
    """The measures of the demonstration."""
    record = read(results / "demo.json")
    measured = record["evaluation"]
    rows = [
        [f"CapCorr {factor}", f"{values['value']:.2f}", f"chance {values['chance']:.2f}"]
        for factor, values in measured["capcorr"].items()
    ]
    for key, name in (("e_eq", "E_eq"), ("e_eq_centred", "E_eq, capsule mean removed")):
        share = measured[f"{key}_percent_of_chance"]
        rows.append([name, f"{measured[key]:,.0f}", f"{share:.1f} % of chance"])
    outside = measured["roll_prediction"]["outside"]
    for key, name in (("squared_error", "squared error"), ("nll", "NLL")):
        rows.append(
            [
                f"roll prediction of unseen frames, {name}",
                f"{outside[key]:.1f}",
                f"repeat last frame {outside[f'repeat_{key}']:.1f}, "
                f"mean image {outside[f'mean_{key}']:.1f}",
            ]
        )
    count = measured["sequences"]
    return (
        markdown(["measure", "value", "beside it"], rows)
        + f"\n{count:,} held-out sequences. {source(record)}"
    )


def untrained_models(results: Path) -> str:
    """What the metrics say before and after training."""
    record = read(results / "untrained.json")
    trained = {
        "demo": read(results / "demo.json"),
        "tvae-mnist-13-36": read(results / "colour-mnist" / "tvae-mnist-13-36.json"),
    }
    rows = []
    for name, untrained in record["presets"].items():
        for state, measured in (
            ("untrained", untrained),
            ("trained", trained[name]["evaluation"]),
        ):
            error = measured["roll_prediction"]["outside"]["squared_error"]
            rows.append(
                [
                    f"{name}, {state}",
                    ", ".join(f"{v['value']:.2f}" for v in measured["capcorr"].values()),
                    f"{measured['e_eq_percent_of_chance']:.1f}",
                    f"{measured['e_eq_centred_percent_of_chance']:.1f}",
                    f"{error:.1f}",
                ]
            )
    header = ["", "CapCorr", "E_eq, % of chance", "centred", "roll prediction, squared error"]
    return markdown(header, rows) + measured_by(record)
