"""Fast paths for plain perceptrons: linear layers, activations and dropout, trained without autograd.

`plan_of` says whether a network is one; ``compiled.CompiledPath`` (numba) and ``written.WrittenPath`` (torch)
train it, and ``compiler.warm`` compiles in the background. Importing this loads neither torch nor numba.
"""

from .plan import Plan, Stage, plan_of

__all__ = ["Plan", "Stage", "plan_of"]
