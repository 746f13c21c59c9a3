"""Plan files of the command line: the plan, the model that it is of, and what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tensorbp import __version__
from tensorbp.cli.failures import CommandError
from tensorbp.cli.inputs import load_model
from tensorbp.cli.options import Derivative
from tensorbp.cli.query import Query, ask
from tensorbp.errors import PlanError, ShapeError
from tensorbp.expression import Expression
from tensorbp.model import Model
from tensorbp.model.structure import structure
from tensorbp.planning import MapOutput, Plan
from tensorbp.planning.located import Located
from tensorbp.planning.plan_file import parsed, plan_from
from tensorbp.registry import Registry

__all__ = ["Asked", "KeptPlan", "asked", "read_kept"]

AGAIN = "make another with 'tensorbp plan MODEL -o FILE'"


@dataclass(frozen=True)
class Asked:
    """What a plan was asked for, and what it was made with.

    Attributes:
        model: the name of the model.
        of: which derivative.
        at: the name of what is differentiated.
        wrt: with respect to what.
        dims: the sizes of the dimensions of the model.
        parameters: how many trainable numbers the model has.
        structure: what `tensorbp.model.structure` says of the model.
        tensorbp: the version that made the plan.
        plugins: the versions of the plugins whose layers the model has.
    """

    model: str
    of: str
    at: str
    wrt: tuple[str, ...]
    dims: dict[str, int]
    parameters: int
    structure: str
    tensorbp: str
    plugins: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can write it."""
        return {**asdict(self), "wrt": list(self.wrt)}


def asked(model: Model, query: Query, registry: Registry) -> Asked:
    """Return what a plan of a query is asked for."""
    origins = [registry.origin("layer", each.type) for each in model.layers]
    return Asked(
        model.name,
        query.of.value,
        query.at,
        tuple(query.sources),
        model.dims,
        model.parameter_count,
        structure(model),
        __version__,
        {each.label: each.version for each in origins if not each.built_in},
    )


@dataclass(frozen=True)
class KeptPlan:
    """A plan from a file.

    Attributes:
        path: the file.
        plan: the plan.
        asked: what it is a plan of; None where it was written without a model.
    """

    path: str
    plan: Plan
    asked: Asked | None

    @property
    def of_model(self) -> Asked:
        """What it was asked for.

        Raises:
            CommandError: it was written without a model.
        """
        if self.asked is None:
            raise CommandError(f"'{self.path}' does not say of which model it is a plan; {AGAIN}")
        return self.asked

    def load(self, file: str, registry: Registry) -> Model:
        """Return the model in a file, with the dimensions that the plan is for.

        Raises:
            CommandError: the file cannot be read, or its model has other dimensions.
            ModelError: something is wrong with the model.
        """
        dims = [f"{name}={size}" for name, size in self.of_model.dims.items()]
        try:
            return load_model(file, dims, registry)
        except ShapeError as error:
            raise CommandError(
                f"'{self.path}' is a plan of another model ({error}); {AGAIN}"
            ) from None

    def check_options(self, given: Mapping[str, Any]) -> None:
        """Refuse options that contradict the plan.

        Args:
            given: what was given on the command line, by the name of the option.

        Raises:
            CommandError: an option says something else than the plan.
        """
        says = self.of_model
        planned: dict[str, Any] = {
            "of": says.of,
            "at": says.at,
            "dtype": self.plan.dtype,
            "order": self.plan.order,
        }
        planned |= {f"dim {name}": size for name, size in says.dims.items()}
        for name, value in given.items():
            if planned.get(name) != value:
                join = "=" if name.startswith("dim ") else " "
                has = f"with --{name}{join}{planned[name]}" if name in planned else "without it"
                raise CommandError(
                    f"--{name}{join}{value} contradicts '{self.path}', a plan {has}; leave out the "
                    f"option, or {AGAIN}"
                )

    def query(self, model: Model, wrt: list[str] | None = None) -> Query:
        """Return what the plan computes of a model.

        Args:
            model: a model of the same structure.
            wrt: with respect to what, if the command line says it.

        Raises:
            CommandError: the model is another one, or the command line says something else.
        """
        says = self.of_model
        if structure(model) != says.structure:
            raise self.of_another(model)
        of = Derivative(says.of)
        # the loss as a whole has no node of its own: by default it is what is differentiated
        is_loss = of in (Derivative.GRADIENT, Derivative.HESSIAN) and says.at == "loss"
        sources = list(says.wrt) if wrt is None else wrt
        query = ask(model, of, None if is_loss else says.at, sources or None)
        if tuple(query.sources) != says.wrt:
            raise CommandError(
                f"--wrt {' '.join(sources)} contradicts '{self.path}', a plan with respect to "
                f"{', '.join(says.wrt) or 'nothing'}; leave out the option, or {AGAIN}"
            )
        if not self._computes(query):
            raise CommandError(f"'{self.path}' computes something else than it says; {AGAIN}")
        return query

    def of_another(self, model: Model) -> CommandError:
        """Return the error that says how a model differs from that of the plan."""
        says = self.of_model
        differences = [
            f"{what} {theirs}, not {ours}"
            for what, theirs, ours in (
                ("name", says.model, model.name),
                ("parameters", says.parameters, model.parameter_count),
                ("dims", _sizes(says.dims), _sizes(model.dims)),
            )
            if theirs != ours
        ]
        how = "; ".join(differences) or "its layers, their arguments or their shapes differ"
        return CommandError(f"'{self.path}' is a plan of another model ({how}); {AGAIN}")

    def _computes(self, query: Query) -> bool:
        """Say whether the outputs of the plan are what a query wants."""
        shapes = {each.value: each.shape for each in self.plan.inputs}
        shapes |= {each.result: each.shape for each in self.plan.steps}
        found = [
            (each.output, each.input) if isinstance(each, MapOutput) else shapes[each]
            for each in self.plan.outputs
        ]
        return found == [
            each.shape if isinstance(each, Expression) else (each.output, each.input)
            for each in query.outputs
        ]


def read_kept(path: str, registry: Registry) -> KeptPlan:
    """Return the plan in a file.

    Raises:
        CommandError: the file cannot be read, is no plan, or was made by other versions.
    """
    try:
        with open(path, "rb") as stream:
            document = parsed(stream.read())
        says = _asked_from(document) if "structure" in document.entries else None
        if says is not None:
            _check_versions(says, registry)
        return KeptPlan(path, plan_from(document, registry), says)
    except OSError as error:
        raise CommandError(f"cannot read '{path}': {error.strerror or error}") from None
    except (PlanError, ShapeError) as error:
        raise CommandError(f"'{path}': {error}") from None


def _asked_from(document: Located) -> Asked:
    return Asked(
        document["model"].text(),
        document["of"].text(*[each.value for each in Derivative]),
        document["at"].text(),
        tuple([each.text() for each in document["wrt"]]),
        {name: each.integer() for name, each in document["dims"].entries.items()},
        document["parameters"].integer(),
        document["structure"].text(),
        document["tensorbp"].text(),
        {name: each.text() for name, each in document["plugins"].entries.items()},
    )


def _check_versions(says: Asked, registry: Registry) -> None:
    """Refuse what was made by other versions than there are; the last number does not count."""
    installed = {each.label: each.version for each in registry.plugins if each.status == "ok"}
    installed["tensorbp"] = __version__
    for name, version in {"tensorbp": says.tensorbp, **says.plugins}.items():
        found = installed.get(name)
        if found is None:
            raise PlanError(
                f"it was made with plugin '{name}' {version}, which is not installed; install it"
            )
        if found.split(".")[:2] != version.split(".")[:2]:
            raise PlanError(f"it was made with {name} {version}, this is {found}; {AGAIN}")


def _sizes(dims: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in dims.items()) or "none"
