"""The verb models: weights that come with the package."""

from typing import Annotated

from rich.table import Table
from tyro.conf import Positional, arg

from symgen import pretrained
from symgen._errors import nearest
from symgen._files import read_toml
from symgen.cli._terminal import console, say
from symgen.models.pretrained import WEIGHTS
from symgen.pretrained import OWNER, embedded

Name = Annotated[Positional[str | None], arg(metavar="[NAME]")]


def models(name: Name = None, /) -> None:
    """List the weights that come with the package, or print the model card of one.

    Args:
        name: Print its model card, such as: models symgen/sprites.
    """
    if name is not None:
        known = embedded()
        folder = known.get(name.removesuffix("/")) or known.get(f"{OWNER}/{name}")
        if folder is None:
            mend = nearest(name, list(known))
            raise ValueError(f"no weights {name!r} come with the package: {mend}")
        say((folder / "README.md").read_text(encoding="utf-8"))
        return
    about = read_toml("about.toml", f"{pretrained.__name__}.about")
    table = Table(box=None, pad_edge=False)
    for title in ("weights", "what they are", "MB"):
        table.add_column(title, no_wrap=title != "what they are")
    for known, folder in embedded().items():
        size = (folder / WEIGHTS).stat().st_size
        table.add_row(known, about[folder.name], f"{size / 1e6:.1f}")
    console.print(table)
    say(
        "\nThey take the place of a run folder, as in: symgen traverse symgen/sprites\n"
        "From Python: TVAE.from_pretrained('symgen/sprites'). Their cards: symgen models NAME"
    )
