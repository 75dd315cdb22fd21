"""Tables: loading, column kinds, quality, splits, preprocessing and paging."""

from .builtin import BUILTIN
from .dataset import Dataset, MemoryWarning, class_names, load_dataset, target_of
from .kinds import Column
from .paging import Page, TablePager
from .preprocess import Prepared, Preprocessor, prepare
from .quality import Finding, FindingKind, Quality
from .spec import DataSpec
from .splits import Split, split

__all__ = [
    "BUILTIN",
    "Column",
    "DataSpec",
    "Dataset",
    "Finding",
    "FindingKind",
    "MemoryWarning",
    "Page",
    "Prepared",
    "Preprocessor",
    "Quality",
    "Split",
    "TablePager",
    "class_names",
    "load_dataset",
    "prepare",
    "split",
    "target_of",
]
