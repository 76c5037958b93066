"""Studies: what a paper prints or claims, and what is asked beyond it, by one engine."""

from symgen.experiments.studies.engine import Missing
from symgen.experiments.studies.plan import Plan, planned, run_study
from symgen.experiments.studies.record import entry_of, read_entries
from symgen.experiments.studies.study import Budget, Line, Study, study, study_names
from symgen.experiments.studies.sweep import draw_sweep, seconds_of, sweep_study
from symgen.experiments.studies.tables import Table, tables_of
from symgen.experiments.studies.windows import draw_windows
