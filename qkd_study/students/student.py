"""`Student`: a trained student with its preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qkd_study.common.errors import InputError
from qkd_study.common.seeds import derive
from qkd_study.models import FullyQuantumModel, HybridImageModel, HybridModel, Model, StateModel
from qkd_study.models import predict as predict_outputs
from qkd_study.students.bound import BoundCircuit, Measured
from qkd_study.students.probabilities import probabilities
from qkd_study.students.spec import StudentSpec

if TYPE_CHECKING:
    import pennylane as qml


class Student(nn.Module):
    """A trained student, which takes samples as they are in the data: unscaled, not reduced.

    Attributes:
        model: the torch module with the trained weights; its `prepare` reduces and embeds samples.
        spec: what it was built from.
        about: where it is from, as JSON values: study, run, cell, arm, scores, data, versions.
        weights: the safetensors file that it was loaded from.
    """

    def __init__(
        self, spec: StudentSpec, model: Model, weights: bytes, about: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.spec, self.model, self.weights, self.about = spec, model, weights, dict(about)
        self.eval()

    def forward(self, samples: Tensor) -> Tensor:
        """Logits (n, classes) of prepared samples (n, ...): `student.prepare(samples)`."""
        logits: Tensor = self.model(samples).logits
        return logits

    def prepare(self, samples: Any) -> Tensor:
        """What the model gets of samples (n, *shape): scaled, and prepared by it; see `Model`.

        Raises:
            InputError: as `logits`.
        """
        with torch.no_grad():
            return self.model.prepare(self._scaled(samples))

    def logits(self, samples: Any) -> Tensor:
        """Logits (n, classes) of samples (n, *shape), computed as in the study.

        Raises:
            InputError: samples of another shape, or that are no finite numbers.
        """
        seed = derive(self.spec.config.seed, self.spec.replicate, "student test")
        return predict_outputs(self.model, self._scaled(samples), seed=seed).logits

    def predict(self, samples: Any) -> NDArray[np.int64]:
        """The classes, int64 (n,), of samples (n, *shape); raises as `logits`."""
        chosen: NDArray[np.int64] = self.logits(samples).argmax(-1).numpy()
        return chosen

    def predict_proba(self, samples: Any) -> NDArray[np.float32]:
        """Class probabilities, float32 (n, classes), of samples (n, *shape); raises as `logits`."""
        return probabilities(self.logits(samples))

    def features(self, samples: Any) -> NDArray[np.float64]:
        """What enters the circuit, float64 (n, f), of samples (n, *shape).

        Raises:
            InputError: the student has no circuit that is known, or as `logits`.
        """
        model, inputs = self._circuit_model("features"), self._scaled(samples)
        with torch.no_grad():
            if isinstance(model, HybridImageModel):
                found = torch.tanh(model.layers(model.prepare(inputs)))
            else:
                assert model.reduction is not None
                found = model.reduction(inputs)
        array: NDArray[np.float64] = found.double().numpy()
        return array

    def to_qnode(self, device: Any = "default.qubit") -> qml.QNode:
        """The circuit with its trained angles, as a PennyLane QNode of `features`.

        `from_measured` turns what it returns into logits.

        Args:
            device: a PennyLane device, or the name of one.

        Raises:
            InputError: the student has no circuit that is known, or there is no such device.
        """
        self._circuit_model("to_qnode")
        return self.bound().qnode(device)

    def from_measured(self, measured: Any) -> NDArray[np.float64]:
        """Logits, float64 (n, classes), of what the QNode of `to_qnode` returns.

        Args:
            measured: expectations (n_qubits, n) or probabilities (n, 2^n_qubits); or of one sample,
                without the axis n.

        Raises:
            InputError: the student has no circuit that is known.
        """
        model = self._circuit_model("from_measured")
        if isinstance(model, FullyQuantumModel):
            found = torch.as_tensor(np.atleast_2d(np.asarray(measured, dtype=np.float64)))
            logits = model.logits_of(found)
        else:
            values = np.stack([np.asarray(one, dtype=np.float64) for one in measured], axis=-1)
            weight, bias = model.head.weight.double(), model.head.bias.double()
            logits = torch.as_tensor(np.atleast_2d(values)) @ weight.T + bias
        array: NDArray[np.float64] = logits.detach().numpy()
        return array

    def to_qasm(self, sample: Any = None) -> str:
        """The circuit with its trained angles as an OpenQASM 3 program, which measures all qubits.

        Args:
            sample: (*shape), whose features are embedded. Without, the features are inputs of the
                program, which angle embedding alone allows.

        Raises:
            InputError: the student has no circuit that is known; the sample has another shape; or
                its embedding needs one.
        """
        self._circuit_model("to_qasm")
        if sample is None:
            return self.bound().qasm(None)
        (features,) = self.features(np.asarray(sample)[None])
        return self.bound().qasm(features.tolist())

    def bound(self) -> BoundCircuit:
        """The circuit with its trained angles."""
        model = self._circuit_model("bound")
        measured: Measured = (
            "probabilities" if isinstance(model, FullyQuantumModel) else "expectations"
        )
        reduction, features = model.reduction, model.circuit.qubits
        if reduction is not None:
            features = reduction.features or int(np.prod(reduction.shape))
        theta = model.theta.detach().double().numpy().copy()
        embedded = model.embedding, model.angle_range
        return BoundCircuit(model.circuit, theta, *embedded, features, measured)

    @property
    def circuit_model(self) -> FullyQuantumModel | HybridModel | None:
        """The model, if it is one of one circuit that `to_qnode` and `to_qasm` can write."""
        if not isinstance(self.model, FullyQuantumModel | HybridModel):
            return None
        reads_states = isinstance(self.model, StateModel)
        return None if self.model.circuit.features or reads_states else self.model

    def _circuit_model(self, method: str) -> FullyQuantumModel | HybridModel:
        if self.circuit_model is not None:
            return self.circuit_model
        kind = type(self.spec.model).__name__
        if self.model.backend == "torch":
            why = f"{kind} is classical and has no circuit"
        else:
            why = (
                f"{kind} is no model of one circuit after an embedding (FullyQuantum, "
                f"HybridCircuit, HybridImage)"
            )
        raise InputError(
            f"{method} needs a student with one circuit, but {why}. predict and predict_proba work "
            f"with every student, and student.model is its torch module."
        )

    def _scaled(self, samples: Any) -> Tensor:
        """Check samples and divide them as the study did.

        Raises:
            InputError: they have another shape, or are no finite numbers.
        """
        shape = self.spec.shape
        if isinstance(samples, Tensor):
            samples = samples.detach().cpu().numpy()
        try:
            raw = np.asarray(samples)
            if raw.dtype.kind not in "biuf":
                raise TypeError
            numbers = raw.astype(np.float64)
        except (TypeError, ValueError):
            raise InputError(
                f"samples must be numbers of shape (n, {', '.join(map(str, shape))}), but got "
                f"{type(samples).__name__}."
            ) from None
        if raw.ndim != len(shape) + 1 or raw.shape[1:] != shape:
            one = ". One sample needs an axis more: x[None]" if raw.shape == shape else ""
            raise InputError(
                f"samples must be of shape (n, {', '.join(map(str, shape))}), but got "
                f"{raw.shape}{one}."
            )
        if not np.isfinite(numbers).all():
            raise InputError("samples must be finite numbers, but some are NaN or infinite.")
        return torch.from_numpy(self.spec.scaled(raw))
