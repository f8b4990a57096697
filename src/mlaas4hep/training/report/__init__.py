"""The report page of a training or an evaluation: one self-contained HTML file."""

from __future__ import annotations

from mlaas4hep.training.report.data import CutflowRow, FeatureRow, FileRow, ReportData
from mlaas4hep.training.report.page import render_report

__all__ = ["CutflowRow", "FeatureRow", "FileRow", "ReportData", "render_report"]
