"""How a table is prepared: which rows are for what, and the steps between its columns and the algorithm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from .. import algorithms, registered
from ..algorithms.chain import acts_on_columns, step_entry
from ..data.splits import reserved
from ..engine.heads import named_heads
from ..errors import MedilyticaError, WireError, hint
from ..report import Html, card, escape, format_value, grouped, join, key_values, section, sentence
from ._base import BaseWidget, experiment_of, serves
from ._stage_walk import Preparation, StageWalk

if TYPE_CHECKING:
    from ..data import Dataset
    from ..experiment import Experiment

WAYS: list[dict[str, str]] = [
    {"id": "auto", "label": "random", "help": "By chance, with the classes in the same proportions where that can be."},
    {"id": "random", "label": "random, classes ignored", "help": "By chance, whatever the classes."},
    {"id": "stratified", "label": "stratified", "help": "By chance, every class in the same proportion in each part."},
    {
        "id": "grouped",
        "label": "grouped",
        "help": "Rows with the same value of a column stay together: all rows of a patient, a site, a star.",
    },
    {"id": "time", "label": "by time", "help": "Trains on the earliest rows and tests on the latest."},
    {"id": "column", "label": "as a column says", "help": "A column holds the words train, validation and test."},
    {"id": "kfold", "label": "k-fold", "help": "Tests on one of several equal parts; every row is tested in one fold."},
    {"id": "group_kfold", "label": "k-fold by group", "help": "Folds of whole groups: no group is in two parts."},
]
"""The ways to divide rows, in words."""

_KIND_WORDS = {
    "numbers": "gaps get the median of the training rows; then an average of 0 and a standard deviation of 1",
    "flags": "one column of 0 and 1 for each value",
    "categories": "one column of 0 and 1 for each category; a gap is a category of its own",
}
_BLOCK_NAMES = {"numbers": "numbers and dates", "flags": "two values", "categories": "categories"}


class PreprocessPanel(BaseWidget):
    """The split and the steps of the preprocessing as forms, with what each step does to the training rows.

    What the steps do is computed beside the kernel's own work while somebody looks, on at most 5 000 training rows. A
    run fits them on all of its training rows.

    Parameters
    ----------
    experiment : Experiment
    """

    catalogue: traitlets.List[Any] = traitlets.List(help="The steps that there are, with their documentation").tag(
        sync=True
    )
    columns: traitlets.List[Any] = traitlets.List(help="Name, kind and role of every column").tag(sync=True)
    ways: traitlets.List[Any] = traitlets.List(help="The ways to divide rows, in words").tag(sync=True)
    steps: traitlets.List[Any] = traitlets.List(help="The steps, every option written out").tag(sync=True)
    forms = traitlets.Dict(help="The parameter table of every step that is used, by id").tag(sync=True)
    split = traitlets.Dict(help="How rows are divided, every field written out").tag(sync=True)
    usual: traitlets.List[Any] = traitlets.List(help="What happens to columns by default, in words").tag(sync=True)
    task = traitlets.Unicode(help="What the target asks for; empty without a target").tag(sync=True)
    version = traitlets.Int(0, help="Counts the preparations, for what was computed of an earlier one").tag(sync=True)
    facts = traitlets.Dict(help="What was computed so far: split in numbers, columns after each step").tag(sync=True)
    pending = traitlets.Bool(help="Whether a run goes on that began with another preparation").tag(sync=True)
    can_undo = traitlets.Bool().tag(sync=True)
    can_redo = traitlets.Bool().tag(sync=True)

    def __init__(self, experiment: Experiment, **kwargs: Any) -> None:
        self.experiment = experiment_of(self, experiment)
        self._table: Dataset | None = None
        self._key: tuple[Any, ...] | None = None
        self._entries: list[algorithms.Algorithm] = []
        self._walk = StageWalk(self._tell)
        super().__init__(**kwargs)
        with self.together():
            self.ways = WAYS
            self.update_view()
        self.follow(experiment.changed, self.mark)
        self.follow(experiment.run_added, self.mark)
        self.follow(experiment.run_ended, self.mark)
        self.follow(experiment.run_ended, self.refresh_static)
        self.follow(registered.changed, self.mark)

    def update_view(self) -> None:
        """Bring steps, split and the undo state up to date."""
        with self.together():
            experiment = self.experiment
            spec = experiment.spec
            data = experiment.data
            # an edit of a cell makes another table
            if data is not self._table:
                self._table = data
                self.columns = [{"name": c.name, "kind": c.kind, "role": c.role} for c in data.columns]
                self.usual = default_words(data)
            entries = [entry for entry in algorithms.list_(task="transform") if _places_rows(entry.id)]
            # somebody may register a step while the list is shown
            if entries != self._entries:
                self._entries = entries
                self.catalogue = [_entry(entry) for entry in entries]
            used = {step.id: algorithms.get(step.id) for step in spec.preprocessing}
            self.forms = {id: entry.parameters.to_json() for id, entry in used.items()}
            self.steps = [
                {
                    "id": step.id,
                    "name": used[step.id].name,
                    "options": used[step.id].validate(step.options),
                    "columns": list(step.columns),
                    "kind": step.kind,
                }
                for step in spec.preprocessing
            ]
            self.split = spec.split.arguments()
            self.task = experiment.target_task or ""
            active = experiment.active
            began = None if active is None else active.spec
            self.pending = began is not None and (began.preprocessing, began.split) != (spec.preprocessing, spec.split)
            self.can_undo = experiment.can_undo
            self.can_redo = experiment.can_redo
            heads = named_heads(spec.heads, experiment.data.target or "")[1:]
            key = (id(data), spec.seed, spec.split, spec.preprocessing, [head.target for head in heads])
            if key != self._key:
                self._key = key
                self.set_trait("version", self.version + 1)

    # --- wishes ---------------------------------------------------------------------------------------

    @serves("steps.add")
    def _add(self, body: dict[str, Any]) -> None:
        self.experiment.add_step(body["step"], body["index"], strict=False)
        self.update_view()

    @serves("steps.remove")
    def _remove(self, body: dict[str, Any]) -> None:
        self.experiment.remove_step(body["index"], strict=False)
        self.update_view()

    @serves("steps.move")
    def _move(self, body: dict[str, Any]) -> None:
        self.experiment.move_step(body["index"], body["to"], strict=False)
        self.update_view()

    @serves("steps.update")
    def _update(self, body: dict[str, Any]) -> None:
        fields, index = _known(body["fields"], ("options", "columns", "kind")), body["index"]
        options = fields.get("options") or {}
        steps = self.experiment.preprocessing
        if options and 0 <= index < len(steps):
            table = algorithms.get(steps[index].id).parameters
            options = {name: table[name].validate(value) for name, value in options.items()}
        where = {name: fields[name] for name in ("columns", "kind") if name in fields}
        self.experiment.update_step(index, strict=False, **where, **options)
        self.update_view()

    @serves("split.set")
    def _set_split(self, body: dict[str, Any]) -> None:
        fields = _known(body["fields"], ("method", "column", "validation", "test", "folds", "fold"))
        self.experiment.set_split(**fields, strict=False)
        self.update_view()

    @serves("spec.undo")
    def _undo(self, body: dict[str, Any]) -> None:
        self.experiment.undo()
        self.update_view()

    @serves("spec.redo")
    def _redo(self, body: dict[str, Any]) -> None:
        self.experiment.redo()
        self.update_view()

    # --- what the steps do ------------------------------------------------------------------------------

    @serves("steps.watch")
    def _watch(self, body: dict[str, Any]) -> None:
        self._walk.begin(self.version, self._preparation())

    @serves("steps.stop")
    def _stop(self, body: dict[str, Any]) -> None:
        self._walk.stop()

    @serves("steps.picture")
    def _picture(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._walk.picture(body["version"], body["step"], body["column"])

    def _preparation(self) -> Preparation:
        experiment = self.experiment
        spec = experiment.spec
        heads = named_heads(spec.heads, experiment.data.target or "")[1:]
        without = {head.target for head in heads} | reserved(spec.split.method, spec.split.column)
        task: Any = experiment.target_task
        return Preparation(
            experiment.data, spec.seed, spec.split.arguments(), spec.preprocessing, task, frozenset(without)
        )

    def _tell(self, facts: dict[str, Any]) -> None:
        if self._closed or self._headless:
            return
        with self.together():
            self.facts = facts

    def close(self) -> None:
        """Stop computing as well."""
        if not self._closed:
            self._walk.close()
        super().close()

    # --- the static form --------------------------------------------------------------------------------

    def static_html(self) -> str:
        """Return the split in numbers, and the steps with their options and the columns after each."""
        self.update_view()
        facts = self._walk.now(self.version, self._preparation())
        error = facts["error"]
        parts = [card("Split", *self._split_parts(facts)), card("Steps", *self._step_parts(facts))]
        if error is not None:
            parts.append(sentence(error["message"], "error"))
        return section("Preparation", *parts)

    def _split_parts(self, facts: dict[str, Any]) -> list[Html]:
        split = self.split
        told: dict[str, Any] = {"way": next(way["label"] for way in WAYS if way["id"] == split["method"])}
        if split["column"]:
            told["column"] = split["column"]
        if split["method"] in ("kfold", "group_kfold"):
            told["tested on"] = f"fold {split['fold'] + 1} of {split['folds']}"
        found = facts["split"]
        if found is None:
            return [key_values(told)]
        told |= dict(zip(("training rows", "validation rows", "test rows"), map(grouped, found["parts"]), strict=True))
        if found["left_out"]:
            told["left out"] = grouped(found["left_out"])
        rows = [[one["name"], *map(grouped, one["rows"])] for one in found["classes"]]
        balance = [_table(("class", "training", "validation", "test"), rows)] if rows else []
        return [key_values(told), *balance, *(sentence(note) for note in found["notes"])]

    def _step_parts(self, facts: dict[str, Any]) -> list[Html]:
        begin = "" if facts["width"] is None else grouped(facts["width"])
        rows = [["default preparation", "all columns", "", begin]]
        for number, (step, width) in enumerate(zip(self.steps, facts["widths"], strict=True)):
            defaults = algorithms.get(step["id"]).parameters.defaults()
            changed = {name: value for name, value in step["options"].items() if value != defaults[name]}
            options = ", ".join(f"{name.replace('_', ' ')} {format_value(value)}" for name, value in changed.items())
            where = ", ".join(step["columns"]) or (f"kind {step['kind']}" if step["kind"] else "all that it can treat")
            rows.append([f"{number + 1}. {step['name']}", where, options, "" if width is None else grouped(width)])
        looked = f"Counted on {grouped(facts['rows'])} of {grouped(facts['of'])} training rows."
        return [
            _table(("step", "for", "options", "columns after it"), rows),
            *(sentence(words) for words in self.usual),
            *([sentence(looked)] if facts["rows"] < facts["of"] else []),
        ]


def default_words(data: Dataset) -> list[str]:
    """Return what happens to a table's columns where no step says otherwise, one sentence for each kind of column."""
    from ..data.layout import layout_of

    layout = layout_of(data)
    said = []
    for treated, words in _KIND_WORDS.items():
        count = sum(entry.block == treated for entry in layout.inputs)
        if count:
            one = "1 column" if count == 1 else f"{grouped(count)} columns"
            said.append(f"{one} of {_BLOCK_NAMES[treated]}: {words}.")
    aside = len(data.set_aside)
    if aside:
        one = "1 column is" if aside == 1 else f"{grouped(aside)} columns are"
        said.append(f"{one} set aside; a step for text, or for a column by its name, can take it in.")
    return said


def _entry(entry: algorithms.Algorithm) -> dict[str, Any]:
    category = [part for part in entry.category if part != "Preprocessing"] or list(entry.category)
    return {
        "id": entry.id,
        "name": entry.name,
        "category": category[0],
        "summary": entry.summary,
        "when": entry.when,
        "first": acts_on_columns(entry.id),
    }


def _places_rows(id: str) -> bool:
    """Whether a transformation can be applied to new rows, and so stand before an algorithm."""
    try:
        step_entry(id)
    except MedilyticaError:
        return False
    return True


def _known(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    for name in fields:
        if name not in names:
            raise WireError(f"There is no field {name!r} to change. {hint(name, names)}")
    return fields


def _table(names: tuple[str, ...], rows: list[list[str]]) -> Html:
    head = join(*(Html(f'<th scope="col">{name}</th>') for name in names))
    lines = [
        join(
            Html('<tr><th scope="row">'),
            escape(first),
            Html("</th>"),
            *(join(Html("<td>"), escape(cell), Html("</td>")) for cell in rest),
            Html("</tr>"),
        )
        for first, *rest in rows
    ]
    return join(
        Html('<div class="mwr-scroll"><table class="mwr-table"><thead><tr>'),
        head,
        Html("</tr></thead><tbody>"),
        *lines,
        Html("</tbody></table></div>"),
    )
