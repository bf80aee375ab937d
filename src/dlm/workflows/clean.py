"""``dlm clean``: remove all that dlm placed in this project."""

from __future__ import annotations

from dlm.errors import DlmError
from dlm.model.frozen import dataclass
from dlm.model.plan import Conflict, Plan, Survey
from dlm.place.leftovers import remove_leftovers
from dlm.place.place import carry_out
from dlm.planning import make_plan
from dlm.workflows.extraction import notes, survey
from dlm.workflows.run import Run, one_or_all
from dlm.workflows.settle import alone

__all__ = ["CleanReport", "clean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanReport:
    """What a clean removed, or with ``dry_run`` would remove, and the files that it left: edited ones, those that
    it could not get at, and those that are another lockfile's, too."""

    removed: tuple[str, ...]
    left: tuple[Conflict, ...]


def clean(run: Run, *, force: bool = False, dry_run: bool = False) -> CleanReport:
    """Remove what the state says dlm placed, and for no other lockfile of the folder. The lockfile and the cache stay.

    Raises:
        LocalError: the disk refuses.
    """
    if dry_run:
        plan, _ = _plan(run, force=force)
        return CleanReport(removed=tuple(one.dest for one in plan.remove), left=plan.left)
    with alone(run):
        run.state.reload()
        root, outside = run.files.root, run.settings.allow_outside
        remove_leftovers(root, run.state.leftovers, outside)
        plan, here = _plan(run, force=force)
        gone = [dest for dest, found in here.found.items() if found.kind == "absent" and not found.barred]
        forgotten = [*gone, *(conflict.dest for conflict in plan.left if not conflict.barred)]
        if not plan.remove:
            run.state.finish((), forgotten)
            return CleanReport(removed=(), left=plan.left)
        token = run.state.begin((), plan.remove)
        done = carry_out(
            root,
            (),
            plan.remove,
            here.found,
            token=token,
            folders=run.state.folders,
            reporter=run.reporter,
            clock=run.clock,
            allow_outside=outside,
            force=force,
        )
        run.state.finish((), (*forgotten, *done.removed), folders_removed=done.folders_removed)
        notes(run).keep(digest for one in run.state.owned().values() for digest in one.digests)
        failure: DlmError | None = one_or_all(done.errors)
        if failure is not None:
            raise failure
        return CleanReport(removed=done.removed, left=(*plan.left, *done.left))


def _plan(run: Run, *, force: bool) -> tuple[Plan, Survey]:
    owned = run.state.owned()
    found = survey(run, owned, owned, folders=())
    here = Survey(blobs={}, found=found, owned=owned, shared=run.state.shared() if owned else {})
    return make_plan((), here, asked=(), pinned={}, force=force), here
