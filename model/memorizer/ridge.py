"""Ridge regression of a segment's values on its keys: where endless passes of the Titans rule over the segment end.

One pass is one step of eqs. 10 and 13 (arXiv 2501.00663) on the sum of the segment's losses
½ Σ_t θ_t ‖k_t M − v_t‖² + ½ α ‖M‖², with θ = ``step`` and α = ``forget``. ``ridge_map`` solves for the weights at which surprise
and forgetting balance: that is how memories are written, and meta-training differentiates through it.
"""

# b segment · t token · k key feature · v value feature

import torch
from torch import Tensor

__all__ = ["normal_matrix", "ridge", "ridge_map"]


def normal_matrix(keys: Tensor, step: Tensor, forget: Tensor) -> Tensor:
    """Curvature Σ_t θ_t k_t k_tᵀ + α I of the segment's loss, [b, k, k]; keys [b, t, k], θ [b, t], α [b]."""
    eye = torch.eye(keys.shape[-1], device=keys.device, dtype=keys.dtype)
    return (keys * step[..., None]).mT @ keys + forget[:, None, None] * eye


def ridge_map(keys: Tensor, step: Tensor, curvature: Tensor) -> Tensor:
    """The linear map [b, k, t] from values to the ridge solution; keys [b, t, k], θ [b, t], their ``normal_matrix``."""
    return torch.cholesky_solve((keys * step[..., None]).mT, torch.linalg.cholesky(curvature))


def ridge(keys: Tensor, values: Tensor, step: Tensor, forget: Tensor) -> Tensor:
    """The weights [b, k, v] that minimise the segment's loss: weighted ridge regression."""
    return ridge_map(keys, step, normal_matrix(keys, step, forget)) @ values
