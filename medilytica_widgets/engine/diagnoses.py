"""Says in words what ails a training run, from its weight sheets and losses, and what to try."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..errors import InputError
from .activations import BOUNDED
from .ailments import TOO_LARGE, Course, Diagnosis, LayerNote, Watch, more_layers, over, raised, tenth
from .log import Level
from .weight_sheet import COLUMNS, WeightSheet

VANISHING = 1e-4
"""Gradient of a weight in an early layer over that in a later one; see `Doctor` for the sources of all of these."""
EXPLODING = 1e3
GROWTH = 100.0
LARGE_UPDATE, SMALL_UPDATE = 0.1, 1e-5
STUCK, MOSTLY_STUCK = 0.3, 0.9
HUGE_LOSS = 10.0
PLATEAU_EPOCHS = 20


class Doctor:
    """Looks at each sheet and each history row of one run and says what is new.

    Each ailment is told once; when it has been over for a while that is told too, and only then can it be told
    again. Consequences are not told beside their cause: a network whose gradients vanish does not learn either.

    Parameters
    ----------
    notes : sequence of LayerNote
        The layers with weights, from the input to the output (`layer_notes`); where there are none, the parameters
        with more than one dimension stand for them under their own names.
    prior_loss : float, optional
        The loss of the best constant answer (`prior_loss`); without it, nothing is said about a run that does
        not learn, and the first row's loss is the measure for the others.

    Notes
    -----
    Where the thresholds come from:

    - *Update-to-weight ratio.* The notes of Stanford's CS231n ("Neural Networks Part 3", A. Karpathy) give 1e-3 as a
      healthy order of magnitude for the change of a step over the weights. Two orders more (0.1) or less (1e-5),
      for several sheets, is told: small networks under Adam do well at several times 1e-3.
    - *Vanishing and exploding gradients.* Glorot & Bengio (AISTATS 2010) show how the spread of back-propagated
      gradients shrinks or grows by a factor with each layer; He et al. (ICCV 2015) why rectifiers need another
      scale than sigmoids. Adam evens out some orders of magnitude, so only a factor of 1e-4 between an early
      layer and a later one is told. With standardised inputs a gradient's norm begins near 1, so 1000, or a hundred
      times the norm of the first sheets (and more than 10), is an explosion (Pascanu et al., ICML 2013).
    - *Dead and saturated units.* A rectifier that is off for every row gets no gradient (Maas et al., ICML 2013);
      CS231n names 40 % as what too large a learning rate may cost. But narrow and deep rectifier stacks with torch's
      initialisation begin with 30 to 75 % in a layer and train well, so from 30 % dead units are only mentioned
      ("info"); a warning is for 90 %, or for more than half of a layer where they died in this run.
    - *Losses.* Ten times the loss of a constant answer, or a rise over three epochs by half of it, is no noise of
      the batches. A validation loss a fifth above its best for five epochs while the training loss went on falling
      is overfitting: a "generalisation loss" of 20 in the sense of Prechelt ("Early stopping – but when?", 1998).
    """

    def __init__(self, notes: Sequence[LayerNote] = (), *, prior_loss: float | None = None) -> None:
        self._notes = tuple(notes)
        self._prior = prior_loss if prior_loss is not None and prior_loss > 0 else None
        self._course = Course()
        self._watches: dict[str, Watch] = {
            "vanishing_gradients": Watch(5, 5),
            "exploding_gradients": Watch(3, 5),
            "large_updates": Watch(5, 5),
            "small_updates": Watch(5, 5),
            "dead_units": Watch(2, 3),
            "saturated_units": Watch(2, 3),
            "diverging_loss": Watch(2, 3),
            "overfitting": Watch(2, 3),
            "no_learning": Watch(2, 1),
            "plateau": Watch(1, 1),
        }

    @property
    def present(self) -> tuple[str, ...]:
        """The kinds of what was told and is not over."""
        return tuple(kind for kind, watch in self._watches.items() if watch.told)

    def sheet(self, sheet: WeightSheet, settings: Mapping[str, Any]) -> list[Diagnosis]:
        """Look at a weight sheet and return what is new.

        Parameters
        ----------
        sheet : WeightSheet
        settings : mapping of str to object
            Hyperparameters in effect, by their ids: ``learning_rate`` (the base of the schedule), ``optimizer``,
            ``clip_norm``, ``batch_size``, ``patience``, …; those that are absent are not spoken of.
        """
        self._course.steps = max(self._course.steps, sheet.step)
        notes = self._notes or tuple(
            LayerNote(i, f"parameter {name!r}", "")
            for i, (name, shape) in enumerate(zip(sheet.names, sheet.shapes, strict=True))
            if len(shape) > 1
        )
        if not notes:
            return []
        at = [note.parameter for note in notes]
        rows = dict(zip(COLUMNS, sheet.values.tolist(), strict=True))
        # a layer without such units counts as one without stuck ones
        dead, saturated = ([rows[name][i] if rows[name][i] > 0 else 0.0 for i in at] for name in COLUMNS[-2:])
        found = self._dead(dead, notes) + self._saturated(saturated, notes)
        found += self._explosion(rows["gradient_norm"], settings)
        found += self._updates([rows["update_ratio"][i] for i in at], notes, settings)
        # the gradient of a single weight, so that a narrow layer compares with a wide one
        gradients = [rows["gradient_norm"][i] / math.sqrt(math.prod(sheet.shapes[i])) for i in at]
        hidden = max(*dead, *saturated) > MOSTLY_STUCK or self._any(TOO_LARGE)
        return found + self._vanishing(gradients, notes, hidden)

    def row(self, row: Mapping[str, float], settings: Mapping[str, Any]) -> list[Diagnosis]:
        """Look at a row of the history and return what is new.

        It holds ``epoch``, ``train_loss`` and, where known, ``val_loss`` and ``learning_rate``. Rows may be left out.
        """
        epoch, loss = float(row["epoch"]), float(row["train_loss"])
        course = self._course
        course.rows += 1
        course.rate = float(row.get("learning_rate", math.nan))
        if math.isnan(course.first):
            course.first = loss
        course.rising = course.rising + 1 if loss > course.last else 0
        course.last = loss
        scale = self._prior or course.first
        found = self._divergence(loss, scale, settings)
        found += self._overfitting(epoch, loss, float(row.get("val_loss", math.nan)), scale, settings)
        if loss < 0.995 * course.best:
            course.best, course.best_epoch = loss, epoch
        return found + self._standstill(epoch)

    def state(self) -> dict[str, Any]:
        """Return everything it remembers, as plain values."""
        return {
            "course": self._course.to_json(),
            "watches": {kind: asdict(watch) for kind, watch in self._watches.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what another doctor's `state` held, as if this one had seen the same run.

        Raises
        ------
        InputError
            If it is no such state; then nothing is changed.
        """
        try:
            course = Course.from_json(state["course"])
            watches = {kind: Watch(**state["watches"].get(kind, asdict(w))) for kind, w in self._watches.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"The state of the diagnoses cannot be read ({type(error).__name__}: {error}); leave it out, and what "
                "ails the run is told once more."
            ) from error
        self._course, self._watches = course, watches

    # -- from a sheet

    def _dead(self, shares: list[float], notes: Sequence[LayerNote]) -> list[Diagnosis]:
        course = self._course
        if not course.born:
            course.born = shares
        worst = _largest(shares)
        share, where = shares[worst], notes[worst].title
        grown = share > 0.5 and share - course.born[worst] > STUCK
        severe = share > MOSTLY_STUCK or grown
        many = sum(s > STUCK for s in shares) - 1
        cost = (
            "and learn nothing"
            if severe
            else "and learn nothing. A narrow or deep relu network often begins so, and the others can do without them"
        )
        return self._tell(
            "dead_units",
            2 if severe else int(share > STUCK),
            share < 0.2,
            lambda: (
                f"In {where}, {share:.0%} of the units are dead: they are off for every row looked at, "
                f"{cost}{more_layers(many)}.",
                "Use leaky_relu, gelu or elu there, or lower the learning rate; a new run starts with live units.",
            ),
            "warning" if severe else "info",
        )

    def _saturated(self, shares: list[float], notes: Sequence[LayerNote]) -> list[Diagnosis]:
        worst = _largest(shares)
        share, note = shares[worst], notes[worst]
        many = sum(s > STUCK for s in shares) - 1
        return self._tell(
            "saturated_units",
            2 if share > MOSTLY_STUCK else int(share > STUCK),
            share < 0.2,
            lambda: (
                f"In {note.title}, {share:.0%} of the units are saturated: they sit at the flat ends of their "
                f"{note.activation or 'activation'} for every row looked at, and hardly learn{more_layers(many)}.",
                "Lower the learning rate, put a batch_norm or layer_norm layer before the activation, or use relu.",
            ),
        )

    def _explosion(self, norms: list[float], settings: Mapping[str, Any]) -> list[Diagnosis]:
        norm = math.hypot(*norms)
        first = self._course.norms
        usual = statistics.median(first) if len(first) == 5 else math.inf
        severity = int(not norm <= min(EXPLODING, max(GROWTH * usual, 10.0)))
        if len(first) < 5 and math.isfinite(norm):
            first.append(norm)

        def say() -> tuple[str, str]:
            size = f"its norm is {norm:.3g}" if math.isfinite(norm) else "it is no longer finite"
            began = f", after {usual:.3g} at the beginning" if math.isfinite(usual) else ""
            clip = "" if settings.get("clip_norm") else " Clip the gradient with clip_norm=1."
            return (
                f"The gradient explodes: {size}{began}. Each step throws the weights far away.",
                f"Lower the learning rate{tenth(settings)}.{clip}",
            )

        return self._tell(
            "exploding_gradients",
            self._unless(TOO_LARGE, "exploding_gradients", severity),
            norm < min(0.1 * EXPLODING, max(0.1 * GROWTH * usual, 1.0)),
            say,
            at_once=not math.isfinite(norm),
        )

    def _updates(self, ratios: list[float], notes: Sequence[LayerNote], settings: Mapping[str, Any]) -> list[Diagnosis]:
        worst = _largest([r if math.isfinite(r) else -1.0 for r in ratios])
        largest, title = ratios[worst], notes[worst].title
        if not math.isfinite(largest):
            return []
        found = self._tell(
            "large_updates",
            self._unless(TOO_LARGE, "large_updates", int(largest > LARGE_UPDATE)),
            largest < LARGE_UPDATE / 2,
            lambda: (
                f"The steps are very large: one step changes the weights of {title} by {largest:.0%} of their size, "
                "where about 0.1 % is usual. What was learned is overwritten at once.",
                f"Lower the learning rate{tenth(settings)}, or take larger batches.",
            ),
        )
        course = self._course
        # a schedule that warms up begins with small steps on purpose
        waiting = course.rate < 0.5 * float(settings.get("learning_rate") or 0.0)
        moved = course.rows < 2 or course.first - course.best > 0.02 * max(course.first, self._prior or 0.0)
        found += self._tell(
            "small_updates",
            int(largest < SMALL_UPDATE and not waiting and not moved and not self._stuck()),
            largest > 3 * SMALL_UPDATE,
            lambda: (
                f"The steps are too small to learn: one step changes no layer's weights by more than {largest:.1g} of "
                f"their size, where about 0.001 is usual, and the training loss stays at {course.last:.3g}.",
                f"Raise the learning rate{raised(settings, largest)}.",
            ),
        )
        return found

    def _vanishing(self, gradients: list[float], notes: Sequence[LayerNote], hidden: bool) -> list[Diagnosis]:
        if len(gradients) < 2 or not math.isfinite(sum(gradients)):
            return []
        ratios, after = [], len(gradients) - 1
        largest = [after] * len(gradients)
        for i in range(len(gradients) - 2, -1, -1):
            after = i + 1 if gradients[i + 1] > gradients[after] else after
            largest[i] = after
            ratios.append(gradients[i] / gradients[after] if gradients[after] > 0 else 1.0)
        ratios.reverse()
        worst = _largest([-r for r in ratios])
        ratio = ratios[worst]

        def say() -> tuple[str, str]:
            bounded = [n.activation for n in notes if n.activation in BOUNDED]
            instead = f"relu or gelu instead of {bounded[0]}, " if bounded else ""
            return (
                f"The gradient vanishes on its way back: in {notes[worst].title} a weight's gradient is only "
                f"{f'{ratio:.0e}' if ratio else '0'} of one in {notes[largest[worst]].title}, so the early layers "
                f"hardly learn{more_layers(sum(r < VANISHING for r in ratios) - 1)}.",
                f"Use {instead}fewer layers, or batch_norm or layer_norm layers between them.",
            )

        return self._tell("vanishing_gradients", int(ratio < VANISHING and not hidden), ratio > 10 * VANISHING, say)

    # -- from a row

    def _divergence(self, loss: float, scale: float, settings: Mapping[str, Any]) -> list[Diagnosis]:
        course = self._course
        best = min(course.best, loss)
        risen = course.rising >= 3 and loss > best + 0.5 * scale
        severity = int(not loss <= HUGE_LOSS * scale or risen)

        def say() -> tuple[str, str]:
            was = f"; its best was {best:.3g}" if best < loss else ""
            constant = f", and a constant answer would have {self._prior:.3g}" if self._prior else ""
            clip = "" if settings.get("clip_norm") else ", or clip the gradient with clip_norm=1"
            return (
                f"The training loss runs away: it is {loss:.3g}{was}{constant}.",
                f"Lower the learning rate{tenth(settings)}{clip}.",
            )

        return self._tell(
            "diverging_loss",
            self._unless(TOO_LARGE, "diverging_loss", severity),
            math.isfinite(loss) and loss < best + 0.2 * scale,
            say,
            at_once=not math.isfinite(loss),
        )

    def _overfitting(
        self, epoch: float, loss: float, val: float, scale: float, settings: Mapping[str, Any]
    ) -> list[Diagnosis]:
        course = self._course
        if not math.isfinite(val):
            return []
        course.validation = [*course.validation, val][-3:]
        smooth = statistics.median(course.validation)
        if smooth < course.val_best:
            course.val_best, course.val_best_epoch, course.train_then = smooth, epoch, loss
        best = course.val_best
        risen = smooth > 1.2 * best and smooth - best > 0.05 * scale and epoch - course.val_best_epoch >= 5
        learned = loss < 0.9 * course.train_then and loss < 0.97 * scale and not self._any(TOO_LARGE)
        stops = settings.get("patience") is not None
        return self._tell(
            "overfitting",
            int(risen and learned),
            smooth < 1.1 * best,
            lambda: (
                f"The network overfits: since epoch {course.val_best_epoch:g} the validation loss has risen from "
                f"{best:.3g} to {smooth:.3g}, while the training loss fell from {course.train_then:.3g} to {loss:.3g}. "
                "It learns the training rows by heart.",
                ("Patience will end the run at its best epoch. " if stops else "Set patience to keep the best epoch. ")
                + "More dropout, l2 or weight_decay, a smaller network or more rows help as well.",
            ),
            "info" if stops else "warning",
        )

    def _standstill(self, epoch: float) -> list[Diagnosis]:
        course, prior = self._course, self._prior
        waited = epoch - course.best_epoch
        learned = prior is None or course.best < 0.97 * prior
        ill = self._any((*TOO_LARGE, "small_updates")) or self._stuck()
        found = self._tell(
            "no_learning",
            int(not learned and not ill and epoch >= 10 and course.steps >= 200 and waited >= 5),
            learned,
            lambda: (
                f"The network has learned nothing yet: the training loss stays at {course.last:.3g}, and always giving "
                f"the same answer has {prior or math.nan:.3g}.",
                "Try another learning rate, ten times larger or smaller, or more units; if nothing helps, the columns "
                "may say nothing about the target.",
            ),
        )
        found += self._tell(
            "plateau",
            int(learned and waited >= max(PLATEAU_EPOCHS, 0.25 * epoch) and not ill),
            waited == 0,
            lambda: (
                f"The training loss has hardly moved for {waited:g} epochs; it stays at {course.last:.3g}.",
                "More epochs will change little. To go lower, try another learning rate, a schedule that lowers it, or "
                "more units.",
            ),
            "info",
        )
        return found

    # -- parts

    def _tell(
        self,
        kind: str,
        severity: int,
        fine: bool,
        say: Callable[[], tuple[str, str]],
        level: Level = "warning",
        at_once: bool = False,
    ) -> list[Diagnosis]:
        change = self._watches[kind].look(severity, fine, at_once)
        if change == "told":
            return [Diagnosis(kind, level, *say())]
        return [Diagnosis(kind, "info", over(kind), "")] if change == "over" else []

    def _any(self, kinds: Sequence[str]) -> bool:
        return any(self._watches[kind].told for kind in kinds)

    def _stuck(self) -> bool:
        """Whether something is told, or about to be, that keeps a network from learning."""
        vanishing, dead, saturated = (
            self._watches[kind] for kind in ("vanishing_gradients", "dead_units", "saturated_units")
        )
        return bool(vanishing.told or vanishing.bad or dead.told > 1 or saturated.told)

    def _unless(self, kinds: Sequence[str], kind: str, severity: int) -> int:
        """Return 0 in place of ``severity`` where another of these kinds, which have one cause, was told."""
        return 0 if severity and self._any([k for k in kinds if k != kind]) else severity


def _largest(values: list[float]) -> int:
    return values.index(max(values))
