"""Tables: loading, column kinds, quality, splits, preprocessing and paging."""

from .builtin import BUILTIN
from .dataset import Dataset, MemoryWarning
from .hints import Hint, HintKind
from .kinds import Column
from .loading import load_dataset
from .paging import Page, TablePager
from .preprocess import Prepared, Preprocessor, prepare
from .quality import Finding, FindingKind, Quality, ScorePart
from .spec import CellEdit, DataSpec
from .splits import Split, split
from .target import class_names, target_of

__all__ = [
    "BUILTIN",
    "CellEdit",
    "Column",
    "DataSpec",
    "Dataset",
    "Finding",
    "FindingKind",
    "Hint",
    "HintKind",
    "MemoryWarning",
    "Page",
    "Prepared",
    "Preprocessor",
    "Quality",
    "ScorePart",
    "Split",
    "TablePager",
    "class_names",
    "load_dataset",
    "prepare",
    "split",
    "target_of",
]
