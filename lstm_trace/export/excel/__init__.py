"""A trace as a workbook with live formulas."""
