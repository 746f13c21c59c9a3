"""From the words of a command to expressions: what is differentiated, and with respect to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorbp.cli.failures import CommandError
from tensorbp.cli.options import Derivative
from tensorbp.errors import suggestion
from tensorbp.expression import Expression, gradient, hessian, jacobian
from tensorbp.model import Model
from tensorbp.planning import Wanted

__all__ = ["ALL_PARAMETERS", "Query", "ask"]

ALL_PARAMETERS = "parameters"


@dataclass(frozen=True)
class Query:
    """A derivative of a model, or a value.

    Attributes:
        of: which derivative.
        at: the name of what is differentiated.
        target: what is differentiated.
        sources: with respect to what, by name; nothing for a value.
        outputs: what is to be computed: the value, for a gradient also a gradient for each
            source; else one map.
    """

    of: Derivative
    at: str
    target: Expression
    sources: dict[str, Expression]
    outputs: list[Wanted]

    def labels(self, model: Model) -> dict[Expression, str]:
        """Return the layer that an expression belongs to, what is differentiated included."""
        return {self.target: self.at, **model.labels}


def ask(model: Model, of: Derivative, at: str | None, wrt: Sequence[str] | None) -> Query:
    """Return the derivative that the options of a command ask for.

    Args:
        model: the model.
        of: which derivative.
        at: the name of a layer, or None for the loss, or for the model's output if a value or a
            Jacobian is asked for.
        wrt: names of parameters, layers and inputs; None for all parameters.

    Raises:
        CommandError: a name stands for nothing, a gradient is asked of more than one number, or a
            value with respect to something.
        ModelError: the loss is asked for, but the model has none.
    """
    name, target = _target(model, of, at)
    if of is Derivative.VALUE:
        if wrt:
            raise CommandError(
                "--wrt: a value is not differentiated; leave out --wrt, or ask with --of gradient"
            )
        return Query(of, name, target, {}, [target])
    sources: dict[str, Expression] = {}
    for each in wrt or (ALL_PARAMETERS,):
        sources |= _sources(model, each)
    listed = list(sources.values())
    # With respect to one array the map starts from its space, not from a direct sum of one.
    several = listed[0] if len(listed) == 1 else listed
    if of is Derivative.JACOBIAN:
        return Query(of, name, target, sources, [jacobian(target, several)])
    if target.shape != ():
        raise CommandError(
            f"the {of} is that of one number, but '{name}' has shape {target.shape}; leave out "
            "--at for the loss, or ask with --of jacobian"
        )
    if of is Derivative.HESSIAN:
        return Query(of, name, target, sources, [hessian(target, several)])
    return Query(of, name, target, sources, [target, *gradient(target, listed)])


def _target(model: Model, of: Derivative, at: str | None) -> tuple[str, Expression]:
    """Return what is differentiated, with its name."""
    if at is not None:
        if at not in model.nodes:
            raise CommandError(f"--at: the model has no layer '{at}'{suggestion(at, model.nodes)}")
        return at, model.nodes[at]
    if of in (Derivative.GRADIENT, Derivative.HESSIAN):
        return "loss", model.loss
    if len(model.outputs) > 1:
        names = ", ".join(model.outputs)
        raise CommandError(f"the model has several outputs; choose one of them with --at: {names}")
    ((name, target),) = model.outputs.items()
    return name, target


def _sources(model: Model, name: str) -> dict[str, Expression]:
    """Return the variables that a name stands for."""
    parameters = model.parameters
    if name == ALL_PARAMETERS:
        if not parameters:
            inputs = ", ".join(model.inputs)
            raise CommandError(
                f"the model has no parameters; name an input with --wrt, one of: {inputs}"
            )
        return parameters
    if name in parameters:
        return {name: parameters[name]}
    if name in model.inputs:
        return {name: model.inputs[name]}
    of_layer = {path: each for path, each in parameters.items() if path.startswith(f"{name}.")}
    if of_layer:
        return of_layer
    if name in model.nodes:
        raise CommandError(f"--wrt: layer '{name}' has no parameters")
    layers = {path.rpartition(".")[0] for path in parameters}
    known = suggestion(name, [ALL_PARAMETERS, *parameters, *layers, *model.inputs])
    raise CommandError(f"--wrt: '{name}' is no parameter, layer or input of the model{known}")
