"""Builds a model with its initial weights from a declaration and a configuration."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from math import prod
from typing import Any, TypedDict, cast

from qkd_study.common.errors import InputError, safe_repr
from qkd_study.common.randomness import seeded
from qkd_study.common.seeds import derive
from qkd_study.models.ansatze import build_ansatz
from qkd_study.models.circuits import (
    CircuitModel,
    FullyQuantumModel,
    HybridImageModel,
    HybridModel,
    Inputs,
)
from qkd_study.models.classical import MLP, AlexNet, ConvNet, LeNet5
from qkd_study.models.convolution import ConvolutionStudent, PatchNetwork, QuanvolutionTeacher
from qkd_study.models.effective import effective_size
from qkd_study.models.ensemble import EnsembleModel
from qkd_study.models.external import build_cached, build_frozen
from qkd_study.models.measurement import Measurement
from qkd_study.models.noise import mitigation, noisy_circuit
from qkd_study.models.outputs import Model
from qkd_study.models.products import (
    Components,
    ExpandedMLP,
    FourierExpansion,
    PatchPolynomialModel,
    ProductsOfComponents,
)
from qkd_study.models.reductions import Reduction, make_reduction
from qkd_study.models.reuploading import ReuploadingModel
from qkd_study.models.snapshots import SnapshotModel
from qkd_study.models.state_circuits import StateModel
from qkd_study.quantum import (
    Circuit,
    ExecutionPlan,
    Precision,
    Quanvolution,
    ShotGradient,
    Simulator,
    without_entanglers,
)
from qkd_study.study import circuits as quantum_spec
from qkd_study.study import controls, matched
from qkd_study.study import models as spec
from qkd_study.study.circuits import reduced_features
from qkd_study.study.config import Config
from qkd_study.study.external import CachedTeacher, FrozenTeacher
from qkd_study.study.models import Shape
from qkd_study.study.own_parameters import config_kind
from qkd_study.study.qnodes import PennyLaneModel
from qkd_study.study.reuploading import ReuploadingCircuit
from qkd_study.study.snapshots import SNAPSHOTS, Snapshots
from qkd_study.study.state_circuits import StateCircuit, sites_of


def simulator(config: Config) -> Simulator:
    """The simulator of a configuration's circuits."""
    return Simulator(
        cast(str, config.device),
        cast(Precision, config.precision),
        None if config.plan in (None, "auto") else cast(ExecutionPlan, config.plan),
    )


def measurement(config: Config) -> Measurement:
    """The shots of a configuration's circuits."""
    gradient = cast(ShotGradient, config.gradient or "parameter-shift")
    return Measurement(config.shots, config.test_shots, gradient)


def _reduction(config: Config, shape: Shape) -> Reduction:
    if config.reduction == "none":
        return Reduction(shape, 0)  # keeps all
    return make_reduction(cast(str, config.reduction), shape, reduced_features(vars(config)))


class _Network(TypedDict):
    activation: str
    dropout: float


def _network(of: spec.ModelSpec, config: Config) -> _Network:
    return _Network(activation=of.activation(vars(config)), dropout=config.dropout or 0.0)


def _mlp(of: spec.Mlp, config: Config, shape: Shape, classes: int, seed: int) -> Model:
    return MLP(shape, classes, hidden=of.widths(vars(config)), **_network(of, config))


def _image_network(of: Any, config: Config, shape: Shape, classes: int, seed: int) -> Model:
    if isinstance(of, spec.LeNet):
        return LeNet5(shape, classes, **_network(of, config))
    kind = AlexNet if isinstance(of, spec.AlexNet) else ConvNet
    return kind(shape, classes, **_network(of, config))


def _convolution(
    of: spec.Convolution, config: Config, shape: Shape, classes: int, seed: int
) -> Model:
    down, across = of.patches(shape)
    return ConvolutionStudent(
        down * across,
        classes,
        filters=of.filters,
        kernel=of.kernel,
        stride=of.stride,
        **_network(of, config),
    )


def _quanvolution(
    of: quantum_spec.Quanvolution, config: Config, shape: Shape, classes: int, seed: int
) -> Model:
    down, across = of.patches(shape)
    layer = Quanvolution(
        filters=of.filters,
        kernel=of.kernel,
        stride=of.stride,
        qubits=cast(int, config.qubits),
        depth=cast(int, config.depth),
        embedding=cast(Any, config.embedding),
        angle_range=cast(float, config.angle_range),
        entangling=of.entangling,
        seed=seed,
        simulator=simulator(config),
    )
    layer.theta.requires_grad_(of.trainable)
    return QuanvolutionTeacher(layer, down * across, classes, measurement(config))


def _circuit(of: Any, config: Config, shape: Shape, classes: int, seed: int) -> CircuitModel:
    ansatz = build_ansatz(config, of.ansatz, seed)
    circuit = ansatz if of.entangling else without_entanglers(ansatz)
    model = _of_circuit(of, circuit, config, shape, classes)
    model.noisy = noisy_circuit(of.noise, config, circuit)
    model.mitigation = mitigation(of.noise, config, circuit)
    model.noisy_training = config.noise_in == "training+test"
    return model


def _of_circuit(
    of: Any, circuit: Circuit, config: Config, shape: Shape, classes: int
) -> CircuitModel:
    parts = circuit, simulator(config), classes
    angle_range = cast(float, config.angle_range)
    if isinstance(of, quantum_spec.HybridImage):
        return HybridImageModel(
            *parts,
            shape=shape,
            channels=of.channels,
            angle_range=angle_range,
            measurement=measurement(config),
        )
    inputs = Inputs(
        reduction=_reduction(config, shape),
        embedding=cast(str, config.embedding),
        angle_range=angle_range,
        measurement=measurement(config),
    )
    if isinstance(of, quantum_spec.FullyQuantum):
        return FullyQuantumModel(*parts, scale=of.scale, assignment=of.assignment, **inputs)
    return HybridModel(*parts, **inputs)


def _reuploading(
    of: ReuploadingCircuit, config: Config, shape: Shape, classes: int, seed: int
) -> Model:
    single = replace(config, depth=1)
    layers = [
        build_ansatz(single, of.ansatz, derive(seed, number, "layer"))
        for number in range(cast(int, config.depth))
    ]
    return ReuploadingModel(
        layers if of.entangling else list(map(without_entanglers, layers)),
        simulator(config),
        classes,
        reduction=_reduction(config, shape),
        angle_range=cast(float, config.angle_range),
        measurement=measurement(config),
    )


def _state_circuit(
    of: StateCircuit, config: Config, shape: Shape, classes: int, seed: int
) -> Model:
    ansatz = build_ansatz(config, of.ansatz, seed)
    return StateModel(
        ansatz if of.entangling else without_entanglers(ansatz),
        simulator(config),
        classes,
        part=of.part(cast(int, config.qubits), shape),
        measurement=measurement(config),
    )


def _snapshots(of: Snapshots, config: Config, shape: Shape, classes: int, seed: int) -> Model:
    values = vars(config)
    inner = build_model(of.of, config, of.inputs(values, shape), classes, seed=seed)
    sites, count = sites_of("Snapshots", shape), values[SNAPSHOTS.name]
    return SnapshotModel(inner, sites, count, of.observables, derive(seed, 0, "snapshots"))


def _patch_polynomial(
    of: controls.PatchPolynomial, config: Config, shape: Shape, classes: int, seed: int
) -> Model:
    return PatchPolynomialModel(
        prod(of.patches(shape)),
        classes,
        filters=of.filters,
        patch=(of.kernel, of.stride),
        embedding=cast(str, config.embedding),
        angle_range=config.angle_range or 0.0,
        order=of.order,
        dropout=config.dropout or 0.0,
    )


def _polynomial(
    of: controls.Polynomial, config: Config, shape: Shape, classes: int, seed: int
) -> Model:
    expansion = ProductsOfComponents(
        _reduction(config, shape),
        embedding=cast(str, config.embedding),
        angle_range=config.angle_range or 0.0,
        order=of.order,
    )
    return ExpandedMLP(expansion, shape, classes)


def _matched_convolution(
    of: matched.MatchedConvolution, config: Config, shape: Shape, classes: int, seed: int
) -> Model:
    return PatchNetwork(
        of.of.embedded(shape),
        classes,
        hidden=of.hidden(vars(config), shape, classes),
        filters=of.of.filters,
        kernel=of.of.kernel,
        stride=of.of.stride,
        **_network(of, config),
    )


def _matched_mlp(
    of: matched.MatchedMlp, config: Config, shape: Shape, classes: int, seed: int
) -> Model:
    return _mlp_of_components(of, of.widths(vars(config), shape, classes), config, shape, classes)


def _effective_mlp(
    of: matched.EffectiveMlp, config: Config, shape: Shape, classes: int, seed: int
) -> Model:
    widths = effective_widths(of, vars(config), shape, classes)
    return _mlp_of_components(of, widths, config, shape, classes)


def _mlp_of_components(
    of: spec.ModelSpec, widths: tuple[int, int], config: Config, shape: Shape, classes: int
) -> Model:
    components, hidden = widths
    expansion = Components(make_reduction("pca", shape, components))
    return ExpandedMLP(expansion, shape, classes, hidden=(hidden,), **_network(of, config))


def effective_widths(
    of: matched.EffectiveMlp, values: Mapping[str, Any], shape: Shape, classes: int
) -> tuple[int, int]:
    """The numbers of components and hidden units with as many effective parameters.

    Args:
        of: names the circuit.
        values: parameters by name, with `embedding` resolved.
        shape: of a sample.
        classes: how many.

    Raises:
        InputError: none has as many, within 5 %.
    """
    own = {one.name for one in of.declares}
    read = tuple((name, values[name]) for name in sorted((of.reads | own) - spec.NETWORK))
    return of.widths(_effective_size(of.of, read, shape, classes), values, shape, classes)


@functools.lru_cache(maxsize=64)
def _effective_size(
    of: spec.ModelSpec, read: tuple[tuple[str, Any], ...], shape: Shape, classes: int
) -> int:
    """`effective_size` of a circuit's model, once per process."""
    kind = config_kind(of.declares)
    values: dict[str, Any] = dict.fromkeys(one.name for one in fields(kind))
    config = kind(**values | dict(read, device="lightning.qubit", precision="complex128"))
    return effective_size(cast(CircuitModel, build_model(of, config, shape, classes, seed=0)))


def _fourier(
    of: controls.FourierFeatures, config: Config, shape: Shape, classes: int, seed: int
) -> Model:
    return ExpandedMLP(FourierExpansion(prod(shape), of.features), shape, classes)


def _ensemble(of: spec.Ensemble, config: Config, shape: Shape, classes: int, seed: int) -> Model:
    members = [
        build_model(of.of, config, shape, classes, seed=derive(seed, member, "member"))
        for member in range(of.members)
    ]
    return EnsembleModel(members, of_probabilities=of.mean == "probabilities")


def _qnode(of: PennyLaneModel, config: Config, shape: Shape, classes: int, seed: int) -> Model:
    from qkd_study.models.qnodes import QNodeModel  # imports PennyLane

    reduction = _reduction(config, shape)
    return QNodeModel(of.qnode, of.weight_shapes, classes, reduction=reduction, head=of.head)


def _own(of: spec.Own, config: Config, shape: Shape, classes: int, seed: int) -> Model:
    made = of.build(config, shape, classes)
    if not isinstance(made, Model):
        raise InputError(
            f"build of {safe_repr(of)} must give a qkd_study.models.Model, but gave "
            f"{type(made).__name__}."
        )
    made.uncounted = of.is_quantum
    return made


def _frozen(of: FrozenTeacher, config: Config, shape: Shape, classes: int, seed: int) -> Model:
    return build_frozen(of)


def _cached(of: CachedTeacher, config: Config, shape: Shape, classes: int, seed: int) -> Model:
    return build_cached(of)


#: The builder of a declared model: the entry of its class, or of its nearest base class.
BUILDERS: dict[type[spec.ModelSpec], Callable[[Any, Config, Shape, int, int], Model]] = {
    spec.Mlp: _mlp,
    spec.LeNet: _image_network,
    spec.AlexNet: _image_network,
    spec.ConvNet: _image_network,
    quantum_spec.Quanvolution: _quanvolution,
    spec.Convolution: _convolution,
    quantum_spec.HybridCircuit: _circuit,
    quantum_spec.FullyQuantum: _circuit,
    quantum_spec.HybridImage: _circuit,
    ReuploadingCircuit: _reuploading,
    StateCircuit: _state_circuit,
    Snapshots: _snapshots,
    controls.PatchPolynomial: _patch_polynomial,
    controls.Polynomial: _polynomial,
    matched.MatchedConvolution: _matched_convolution,
    matched.MatchedMlp: _matched_mlp,
    matched.EffectiveMlp: _effective_mlp,
    controls.FourierFeatures: _fourier,
    spec.Ensemble: _ensemble,
    PennyLaneModel: _qnode,
    spec.Own: _own,
    FrozenTeacher: _frozen,
    CachedTeacher: _cached,
}


def build_model(
    of: spec.ModelSpec, config: Config, shape: Shape, classes: int, *, seed: int
) -> Model:
    """Build a model with its initial weights.

    Args:
        of: the declaration.
        config: its parameters; for a teacher, with the teacher's qubits and depth.
        shape: of a sample.
        classes: how many.
        seed: of the initial weights.

    Raises:
        InputError: there is no builder for it, or a part of the study's own is invalid.
    """
    builder = next((BUILDERS[kind] for kind in type(of).__mro__ if kind in BUILDERS), None)
    if builder is None:
        raise InputError(
            f"{type(of).__name__} is a kind of model that nothing builds. Declare it as "
            f"Own(function or class that gives a qkd_study.models.Model)."
        )
    with seeded(seed, filter(callable, vars(of).values())):
        return builder(of, config, shape, classes, seed)
