"""A report as Markdown, plain text, LaTeX, Typst and PDF."""
