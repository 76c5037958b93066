"""A page to play with a trained model: roll its capsules, move poses, and watch.

`open_exhibit` reads what is shown, `symgen.explorer.server.serve` makes a page of it that answers
while a slider moves (Gradio, the extra `explorer`), and `write_page` one HTML file that needs
neither a server nor a network.
"""

from symgen.explorer.exhibit import *
from symgen.explorer.standalone import *
