"""What a check found: frozen records, and their text, HTML and JSON.

A ``Report`` has one ``BlockReport`` per parameter block, a block one ``Finding`` per setting that
measured it (a setting is a point with its rows and switches).  ``report_schema.json``, beside this
file, describes the JSON.
"""

from gradhook.report.blocks import BlockReport, Branch, Element, Finding
from gradhook.report.causes import CAUSE_FAMILIES, CAUSE_KINDS, Cause
from gradhook.report.records import Report, ReportFormatError

__all__ = [
    "CAUSE_FAMILIES",
    "CAUSE_KINDS",
    "BlockReport",
    "Branch",
    "Cause",
    "Element",
    "Finding",
    "Report",
    "ReportFormatError",
]
